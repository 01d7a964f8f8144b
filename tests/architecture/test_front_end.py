"""What templates and static files must hold to, so that the strict content policy never bites."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
OWN_SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
STATIC = ROOT / "static"


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("template", TEMPLATES, ids=named)
def test_a_template_needs_no_inline_code_and_no_other_host(template):
    text = template.read_text()
    assert not re.search(r"\sstyle=", text), "inline style"
    assert not re.search(r"\s(on[a-z]+|hx-on[^=]*)=[\"']", text), "inline handler"
    assert not re.search(r"<style\b", text), "style element"
    for script in re.findall(r"<script\b[^>]*>", text):
        # A block of data is not code: browsers neither run it nor hold it to the policy.
        assert "src=" in script or 'type="application/json"' in script, script
    # Where a person may go to is no part of the page: nothing is fetched until they do.
    text = re.sub(r'<a [^>]*href="https://[^"]*" rel="noopener"[^>]*>', "", text)
    assert not re.search(r"(src|href|action)=[\"'](https?:)?//", text), "another host"


def test_every_icon_that_is_named_exists():
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "img/icons.svg").read_text()))
    for template in TEMPLATES:
        used = re.findall(r'components/icon\.html" with name="([^"{]+)"', template.read_text())
        used += re.findall(r'components/empty\.html" with icon="([^"{]+)"', template.read_text())
        assert set(used) <= drawn, (named(template), set(used) - drawn)


def test_every_static_file_that_is_named_exists():
    for template in TEMPLATES:
        for name in re.findall(r"{% static ['\"]([^'\"]+)['\"]", template.read_text()):
            of_a_package = name.startswith(("account/", "mfa/", "ninja/"))
            assert of_a_package or (STATIC / name).is_file(), name


def test_the_style_sheet_asks_no_other_host():
    css = (STATIC / "css/app.css").read_text()
    assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//", css)
    assert "@import" not in css


def test_what_is_vendored_is_what_the_lock_names():
    wanted = json.loads((ROOT / "frontend/package.json").read_text())["devDependencies"]
    rows = dict(
        re.findall(r"^\| (\S+) \| (\S+) \|", (STATIC / "vendor/README.md").read_text(), re.M)
    )
    assert {name: rows[name] for name in rows if name in wanted} == {
        name: version for name, version in wanted.items() if name in rows
    }
    assert {"htmx.org", "@alpinejs/csp", "sortablejs", "tus-js-client", "mpegts.js"} < set(rows)


def test_every_vendored_file_is_listed_with_a_licence():
    listing = (STATIC / "vendor/README.md").read_text()
    for path in (STATIC / "vendor").iterdir():
        if path.is_file() and path.name != "README.md":
            assert path.name in listing
    for licence in re.findall(r"licences/[\w.-]+\.txt", listing):
        assert (STATIC / "vendor" / licence).stat().st_size > 100


def test_the_lock_holds_all_that_a_clean_install_asks_for():
    """Those of other systems as well: npm refuses a lock in which one is missing."""
    packages = json.loads((ROOT / "frontend/package-lock.json").read_text())["packages"]
    lacking = []
    for place, package in packages.items():
        for name in {**package.get("dependencies", {}), **package.get("optionalDependencies", {})}:
            around = [part for part in place.split("/node_modules/") if part]
            above = ["/node_modules/".join(around[:n]) for n in range(len(around), -1, -1)]
            if not any(f"{up}/node_modules/{name}".lstrip("/") in packages for up in above):
                lacking.append(f"{place or 'package.json'}: {name}")
    assert lacking == []


def test_the_lock_names_no_address():
    text = (ROOT / "frontend/package-lock.json").read_text()
    assert '"resolved"' not in text


@pytest.mark.parametrize("script", OWN_SCRIPTS, ids=named)
def test_our_scripts_build_no_markup_from_text(script):
    """Names of files come from people; text nodes cannot be a script, markup can."""
    text = script.read_text()
    assert not re.search(r"innerHTML|outerHTML\s*=|insertAdjacentHTML|document\.write", text)
    assert not re.search(r"\beval\(|new Function", text)
