"""The engine works where the web project's packages are not installed."""

import subprocess
import sys

CODE = """
import importlib, pkgutil, sys

class Absent:
    roots = {"django", "celery", "redis", "kombu", "apps", "config", "tests"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.roots:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import playout
names = [m.name for m in pkgutil.walk_packages(playout.__path__, "playout.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


def test_every_module_of_the_engine_imports_without_django(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


def test_the_command_line_starts_without_django(tmp_path):
    code = CODE.partition("import playout")[0] + "from playout.cli import main; main(['--help'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()
