"""Print the installed packages as constraints: exact versions, and a marker where a version has left Python 3.10.

The build of torch (CPU or CUDA) is left to the machine, and so are packages that come with a CUDA build.
"""

import re
from importlib.metadata import distributions

LEFT_OUT = re.compile(r"^(trichord|pip|setuptools|wheel|triton|nvidia-.*|cuda-.*)$", re.IGNORECASE)


def main() -> None:
    """Print one line per package."""
    lines = {}
    for package in distributions():
        name, version = package.metadata["Name"], package.version.partition("+")[0]
        if LEFT_OUT.match(name):
            continue
        newest = re.search(r">=\s*3\.(\d+)", package.metadata.get("Requires-Python") or "")
        marker = f'; python_version >= "3.{newest[1]}"' if newest and int(newest[1]) > 10 else ""
        lines[name.lower()] = f"{name}=={version}{marker}"
    print("\n".join(lines[name] for name in sorted(lines)))


if __name__ == "__main__":
    main()
