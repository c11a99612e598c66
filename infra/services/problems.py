"""What can go wrong with a service, told so that the reader knows the next step."""


class ServiceProblem(Exception):
    """A service could not be installed, started or stopped."""


class InstallFailed(ServiceProblem):
    """A download or a build failed; names the command to run again."""


class StartFailed(ServiceProblem):
    """A server did not come to serve; names its log."""


class NotServing(ServiceProblem):
    """The answer of a health check, when it is no."""
