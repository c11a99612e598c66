"""What is checked in under sdk/dist is what the source builds and as light as promised; the README says how light."""

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SDK = Path(__file__).resolve().parents[2] / "sdk"
BARS = {"shoplight.js": 2500, "core.js": 12_000, "video.js": 8000, "feedback.js": 3000}


def gzipped(name: str) -> int:
    return len(gzip.compress((SDK / "dist" / name).read_bytes(), 9, mtime=0))


def test_the_bundles_stay_under_their_bars() -> None:
    sizes = {name: gzipped(name) for name in BARS}
    assert all(size <= BARS[name] for name, size in sizes.items()), sizes
    assert sizes["shoplight.js"] + sizes["core.js"] <= BARS["core.js"]


def test_the_readme_gives_the_sizes_as_they_are() -> None:
    text = (SDK / "README.md").read_text()
    for name in BARS:
        row = re.search(rf"`{re.escape(name)}` \|[^|]*\| ([\d,]+) B", text)
        assert row, name
        # Node and Python bring different zlib builds.
        assert int(row[1].replace(",", "")) == pytest.approx(gzipped(name), abs=100)


def test_the_lockfile_names_no_download_address() -> None:
    lock = (SDK / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert "://" not in lock


def test_the_bundles_are_what_the_source_builds() -> None:
    missing = _tools()
    if missing:
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    done = subprocess.run(
        ["node", "verify_build.mjs"], cwd=SDK, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def _tools() -> str | None:
    """Installs the locked build tools where they are not yet; says what is in the way."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "Node 20 is needed to rebuild the script"
    if (SDK / "node_modules" / "esbuild").is_dir():
        return None
    done = subprocess.run(["npm", "ci"], cwd=SDK, capture_output=True, text=True, timeout=180, check=False)
    return f"npm ci failed: {done.stderr[-300:]}" if done.returncode else None
