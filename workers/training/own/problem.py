"""What is wrong with a user's data or choice, in words that name the folder, file or line to mend."""


class DataProblem(Exception):
    """Ends a training or an evaluation before it starts; the message is for the person who typed the command."""
