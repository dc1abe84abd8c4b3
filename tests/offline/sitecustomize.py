"""Answers requests for JSON schemas from a folder, for validators that fetch them: put this folder on PYTHONPATH.

SCHEMA_ROOT holds schemas as HOST/PATH. No schemas of STAC extensions lie there: each is answered with one that
accepts everything, so that what is judged is STAC itself.
"""

import email
import io
import json
import os
import urllib.request
import urllib.response
from pathlib import Path
from urllib.parse import urlsplit

ROOT = os.environ.get("SCHEMA_ROOT")
EXTENSIONS = "stac-extensions.github.io"


def schema(url: str) -> bytes | None:
    """Returns the schema at a URL, None where it is not known."""
    parts = urlsplit(url)
    if parts.hostname == EXTENSIONS:
        return json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "$id": f"{url.rstrip('#')}#"}).encode()
    path = Path(ROOT, parts.netloc, parts.path.lstrip("/"))
    return path.read_bytes() if parts.scheme in ("http", "https") and path.is_file() else None


def answer_urllib3():
    """Covers `requests` too, which sends through it."""
    from urllib3 import HTTPResponse
    from urllib3.connectionpool import HTTPConnectionPool

    fetch = HTTPConnectionPool.urlopen

    def urlopen(self, method, url, *arguments, **options):
        whole = url if "://" in url else f"{self.scheme}://{self.host}{url}"
        body = schema(whole)
        if body is None:
            return fetch(self, method, url, *arguments, **options)
        return HTTPResponse(
            body=io.BytesIO(body), headers={"Content-Type": "application/json"}, status=200,
            preload_content=options.get("preload_content", True), request_url=whole,
        )  # fmt: skip

    HTTPConnectionPool.urlopen = urlopen


def answer_urllib():
    fetch = urllib.request.OpenerDirector.open

    def open_(self, fullurl, *arguments, **options):
        url = fullurl if isinstance(fullurl, str) else fullurl.full_url
        body = schema(url)
        if body is None:
            return fetch(self, fullurl, *arguments, **options)
        headers = email.message_from_string("Content-Type: application/json\n")
        answer = urllib.response.addinfourl(io.BytesIO(body), headers, url, 200)
        answer.msg = "OK"
        return answer

    urllib.request.OpenerDirector.open = open_


if ROOT:
    answer_urllib()
    try:
        answer_urllib3()
    except ImportError:
        # Programs without it need no answer from it.
        pass
