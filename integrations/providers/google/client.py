"""Google's own typed client over our transport."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import httplib2
import requests
from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

from integrations.errors import Temporary
from integrations.providers.google.errors import translated


class RequestsHttp:
    """Lets Google's typed client send through a requests session: our transport, time limits and allow-list."""

    def __init__(self, http: requests.Session) -> None:
        self.http = http

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> tuple[httplib2.Response, bytes]:
        """One request, as httplib2 would make it. Raises what the transport raises."""
        answer = self.http.request(method, uri, data=body, headers=dict(headers or {}), allow_redirects=False)
        response = httplib2.Response({name.lower(): value for name, value in answer.headers.items()})
        response.status, response.reason, response["status"] = (
            answer.status_code,
            answer.reason,
            str(answer.status_code),
        )
        return response, answer.content

    def close(self) -> None:
        self.http.close()


@cache
def api(name: str, version: str) -> Any:
    """Google's own client for one of its APIs, built once from the document it ships with: no network is used.

    It makes requests and sends none: ``run`` sends each through the session of whoever asks, so threads may share it.
    """
    document = json.loads(discovery_cache.get_static_doc(name, version))
    document.pop("mtlsRootUrl", None)
    nowhere = requests.Session()
    nowhere.adapters.clear()
    return build_from_document(document, http=RequestsHttp(nowhere))


def run(request: Any, http: requests.Session) -> dict[str, Any]:
    """Execute one request of Google's client and say its errors in our words."""
    try:
        answer = request.execute(http=RequestsHttp(http))
    except HttpError as error:
        raise translated(error) from error
    except ValueError as error:
        raise Temporary("Google's answer could not be read as JSON.") from error
    if not answer:
        return {}
    if not isinstance(answer, dict):
        # Google's client hands on what is no JSON as it stands: a sign-in page must not pass for an empty list.
        raise Temporary("Google's answer could not be read as JSON.")
    return answer
