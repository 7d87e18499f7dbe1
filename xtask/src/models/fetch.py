"""Fetches one file of PyPI by its SHA-256 and unpacks it: fetch.py PACKAGE SHA256 FOLDER [INNER_ARCHIVE...]

The standard library only, and nothing of the package is run. The index is that of PIP_INDEX_URL or of pip's configuration.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import urllib.parse
import urllib.request
import zipfile
from html.parser import HTMLParser


def index():
    ask = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    found = os.environ.get("PIP_INDEX_URL")
    if not found:
        found = subprocess.run(ask, capture_output=True, text=True).stdout.strip()
    return (found or "https://pypi.org/simple").rstrip("/")


def get(url):
    request = urllib.request.Request(url, headers={"Accept": "text/html, */*"})
    with urllib.request.urlopen(request, timeout=180) as reply:
        return reply.geturl(), reply.read()


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if tag == "a" and name == "href"]


def link(package, sha256):
    base, page = get(f"{index()}/{package}/")
    links = Links()
    links.feed(page.decode())
    for target in links.found:
        if target.endswith("#sha256=" + sha256):
            return urllib.parse.urljoin(base, target.split("#")[0])
    sys.exit(f"{package} has no file with SHA-256 {sha256} in this index")


def unpack(archive, folder):
    if zipfile.is_zipfile(io.BytesIO(archive)):
        return zipfile.ZipFile(io.BytesIO(archive)).extractall(folder)
    # Older Pythons have no filter; the archive is the one that was pinned.
    safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    return tarfile.open(fileobj=io.BytesIO(archive)).extractall(folder, **safe)


def main(package, sha256, folder, *inner):
    _, archive = get(link(package, sha256))
    found = hashlib.sha256(archive).hexdigest()
    if found != sha256:
        sys.exit(f"{package} has SHA-256 {found}, not {sha256}")
    unpack(archive, folder)
    for path in inner:
        with open(os.path.join(folder, path), "rb") as file:
            unpack(file.read(), folder)


main(*sys.argv[1:])
