"""`make audit`: asks the advisory service about every package of requirements.lock, by pip-audit.

Exit codes: 0 nothing known, 1 known vulnerabilities, 2 the lock can't be read, 3 the service can't be reached.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
CLEAN, VULNERABLE, UNREADABLE, UNREACHABLE = 0, 1, 2, 3


def main() -> int:
    if not LOCK.is_file():
        print(f"There is no {LOCK.name}: run make lock.", file=sys.stderr)
        return UNREADABLE
    command = [str(Path(sys.executable).with_name("pip-audit")), "--disable-pip", "--require-hashes", "-r", str(LOCK)]
    command += ["--format", "json", "--progress-spinner", "off", *sys.argv[1:]]
    ended = subprocess.run(command, capture_output=True, text=True)
    code, said = verdict(ended.stdout, ended.stderr)
    print(said)
    return code


def verdict(answer: str, trouble: str) -> tuple[int, str]:
    """Exit code and words for pip-audit's JSON and what it said on stderr."""
    try:
        packages: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError):
        last = (trouble.strip().splitlines() or ["it gave no answer"])[-1]
        if "onnection" in trouble or "Proxy" in trouble or "imeout" in trouble or "HTTPError" in trouble:
            return UNREACHABLE, f"Nothing was audited: the advisory service can't be reached ({last})."
        return UNREADABLE, f"Nothing was audited: {last}"
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):
        return UNREACHABLE, (
            f"Nothing was audited: the advisory service can't be reached from here; it knows none of the "
            f"{len(packages)} packages."
        )
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'nothing'}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    lines = [f"{len(packages) - len(skipped)} packages audited, {len(found)} known vulnerabilities.", *found]
    lines += [f"Not known to the service: {', '.join(skipped)}."] if skipped else []
    return VULNERABLE if found else CLEAN, "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
