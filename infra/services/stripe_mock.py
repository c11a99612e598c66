"""stripe-mock: Stripe's own server of canned answers, checked against Stripe's API description. It keeps nothing."""

import platform
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from infra.services import install
from infra.services.loopback import ask
from infra.services.problems import NotServing
from infra.services.service import Service
from infra.services.versions import VERSIONS

VERSION = VERSIONS["stripe"].version
MODULE = "github.com/stripe/stripe-mock"
FETCHES_ITSELF = (1, 21)  # from this one on Go brings the version that a module asks for
KEY = "sk_test_shoplight"  # any test key is taken


class StripeMock(Service):
    """stripe-mock as a Go module."""

    name = "stripe"
    port_names = ("main", "https")  # it opens both, asked or not

    @property
    def program(self) -> Path:
        """The built program."""
        return self.place.installed / "stripe" / "stripe-mock"

    def missing_packages(self) -> list[str]:
        return [] if shutil.which("go") else ["golang-go"]

    def is_installed(self) -> bool:
        return install.is_stamped(self.program.parent, VERSION)

    def build(self) -> None:
        with install.fresh(self.program.parent, VERSION) as folder:
            go, environment = self._go(folder / "toolchain")
            install.step(self.name, [go, "install", f"{MODULE}@v{VERSION}"], {**environment, "GOBIN": str(folder)})
            if (folder / "toolchain").exists():  # read-only all through, as Go keeps its modules
                install.step(self.name, ["go", "clean", "-modcache"], {"GOMODCACHE": str(folder / "toolchain")})

    def _go(self, cache: Path) -> tuple[str | Path, dict[str, str]]:
        """A Go that is new enough. Debian's own (1.19) is not, but can download one as a module."""
        told = install.step(self.name, ["go", "version"])
        found = re.search(r"go(\d+)\.(\d+)", told)
        if found and (int(found[1]), int(found[2])) >= FETCHES_ITSELF:
            return "go", {"GOTOOLCHAIN": "auto"}
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        toolchain = f"golang.org/toolchain@v0.0.1-go{VERSIONS['go'].version}.linux-{machine}"
        install.step(self.name, ["go", "mod", "download", toolchain], {"GOMODCACHE": str(cache)})
        root = cache / toolchain
        for program in [*root.glob("bin/*"), *root.glob("pkg/tool/*/*")]:
            program.chmod(0o755)  # an old Go stores all modules' files as data
        return root / "bin" / "go", {"GOROOT": str(root), "GOTOOLCHAIN": "local"}

    def prepare(self) -> None:
        self.data.mkdir(exist_ok=True)

    def command(self) -> Sequence[str | Path]:
        return [self.program, "-http-addr", f"127.0.0.1:{self.port}", "-https-addr", f"127.0.0.1:{self.ports['https']}"]

    def environment(self) -> dict[str, str]:
        return {"GOMEMLIMIT": "128MiB"}

    def check(self) -> None:
        told = ask(self.port, "/v1/customers?limit=1", headers={"Authorization": f"Bearer {KEY}"})
        if b'"data"' not in told:
            raise NotServing("no list of customers")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, str]:
        return {"SHOPLIGHT_STRIPE_API_BASE": self.address, "SHOPLIGHT_STRIPE_API_KEY": KEY}
