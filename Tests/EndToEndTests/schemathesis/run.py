"""Drives an admin server from its own OpenAPI document: run.py URL SEED SECONDS DIRECTORY

Works in the directory, for schemathesis leaves files where it runs. What it found is printed; exits with its status.
"""

import os
import subprocess
import sys

url, seed, seconds, directory = sys.argv[1:]
here = os.path.dirname(os.path.abspath(__file__))
program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
command = [
    program, "--config-file", os.path.join(here, "schemathesis.toml"), "run", url + "/openapi.json",
    "--checks", "all", "--seed", seed, "--max-time", seconds, "--max-examples", "30", "--request-timeout", "10",
    "--generation-database", "none", "--warnings", "off",
    # It never ends.
    "--exclude-path-regex", "/watch$",
]
environment = {**os.environ, "SCHEMATHESIS_HOOKS": os.path.join(here, "hooks.py")}
sys.exit(subprocess.run(command, cwd=directory, env=environment, stderr=subprocess.STDOUT).returncode)
