#!/usr/bin/env python3
"""Links of the documentation: docs.py SOURCE"""
import glob
import os
import re
import sys
import tempfile

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def pages(source):
    for top in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        if os.path.exists(os.path.join(source, top)):
            yield top
    for top in ("docs", "examples", "bench", "packaging"):
        for folder, _, names in os.walk(os.path.join(source, top)):
            if "node_modules" not in folder:
                yield from (os.path.relpath(os.path.join(folder, name), source) for name in names if name.endswith(".md"))


def prose(text):
    """Without what is code: a link in an example is none."""
    return re.sub(r"`[^`\n]*`", "``", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors(text):
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-")
            for head in re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)}


def wrong(source):
    found, leads = [], {}
    texts = {page: open(os.path.join(source, page), encoding="utf-8").read() for page in pages(source)}
    for page, text in texts.items():
        leads[page] = set()
        body = text if page == "docs/cli.md" else prose(text)
        for link in LINK.findall(body):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            leads[page] |= {target} | {to for to in texts if os.path.dirname(to) == target}  # a folder leads to its pages
            if not os.path.exists(os.path.join(source, target)):
                found.append(f"{page}: {link} is not there")
            elif anchor and target in texts and anchor not in anchors(texts[target]):
                found.append(f"{page}: {link}: no such heading")
    reached, left = set(), ["README.md"]
    while left:
        page = left.pop()
        if page not in reached:
            reached.add(page)
            left += [to for to in leads.get(page, ()) if to in texts]
    found += [f"{page}: no page leads here from README.md" for page in texts if page.startswith("docs/") and page not in reached]
    return found


def map_wrong(source):
    """Files the map of the house names: words with a slash, and those in the row of a folder."""
    with open(os.path.join(source, "ARCHITECTURE.md"), encoding="utf-8") as file:
        text = file.read()
    names = set(re.findall(r"`([\w.*-]+/[\w./*-]+)`", text))
    for folder, row in re.findall(r"^\| `([a-z]+)/` \|(.*)$", text, re.M):
        names |= {f"{folder}/{name}" for name in re.findall(r"`([\w-]+(?:\.[a-z]+|/))`", row)}
    return [f"ARCHITECTURE.md: {name} is not there" for name in sorted(names)
            if not any(glob.glob(os.path.join(source, name + end)) for end in ("", ".c", ".h"))]


def selftest():
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/docs")
        for name, text in (("README.md", "[a](docs/a.md) [b](docs/gone.md) [c](docs/a.md#none) `[x](y)`"), ("docs/a.md", "# Head\n"),
                           ("docs/alone.md", "[a](a.md#head)")):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        assert wrong(folder) == ["README.md: docs/gone.md is not there", "README.md: docs/a.md#none: no such heading",
                                 "docs/alone.md: no page leads here from README.md"], wrong(folder)
        with open(f"{folder}/ARCHITECTURE.md", "w", encoding="utf-8") as file:
            file.write("| `docs/` | x | `a.md`, `none.h` |\nSee `docs/a.md` and `docs/none.c`, `n/a`.\n")
        assert map_wrong(folder) == [f"ARCHITECTURE.md: {name} is not there" for name in ("docs/none.c", "docs/none.h", "n/a")]


selftest()
problems = wrong(sys.argv[1]) + map_wrong(sys.argv[1])
print("\n".join(problems) or "every link leads somewhere")
sys.exit(1 if problems else 0)
