"""STAC APIs, through pystac-client."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from musyq_cube.errors import CatalogError
from musyq_cube.period import OPEN_END

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pystac
    import pystac_client

    from musyq_cube.catalog.query import Query

PAGE = 250
"""Items asked for at a time."""


class ApiBackend:
    """A STAC API. The server narrows by box, time and collection; the exact filter is ours."""

    def __init__(self, url: str) -> None:
        import requests
        from pystac_client.exceptions import APIError

        self.url = url
        try:
            self.client = _open(url)
        except (APIError, requests.RequestException, ValueError, KeyError) as error:
            raise CatalogError(f"{url}: not a STAC API that can be reached ({error})") from error

    def candidates(self, query: Query) -> Iterator[pystac.Item]:
        """Yield what the server answers, page by page."""
        from pystac_client.exceptions import APIError

        fixed: dict[str, Any] = {
            "limit": PAGE,
            "collections": None if query.collections is None else [*query.collections],
        }
        if query.period is not None:
            # a closed interval on the wire; what falls exactly on the end is left out by the exact filter
            end = None if query.period.end == OPEN_END else query.period.end
            fixed["datetime"] = (query.period.start, end)
        for box in query.boxes or (None,):
            try:
                yield from self.client.search(bbox=box, **fixed).items()
            except (APIError, ValueError, KeyError) as error:
                raise CatalogError(f"{self.url}: the search failed ({error})") from error

    def collection_ids(self) -> list[str]:
        """Ids of the collections of the API."""
        return sorted(c.id for c in self.client.get_collections())


def _open(url: str) -> pystac_client.Client:
    import pystac_client
    from pystac_client.warnings import PystacClientWarning

    with warnings.catch_warnings():
        # servers that understate what they conform to are searched all the same
        warnings.simplefilter("ignore", PystacClientWarning)
        client = pystac_client.Client.open(url)
        client.add_conforms_to("ITEM_SEARCH")
    return client


def is_api(url: str) -> bool:
    """Whether an address answers as the landing page of a STAC API."""
    import requests

    try:
        answer = requests.get(url, headers={"Accept": "application/json"}, timeout=30)
        page = answer.json() if answer.ok else {}
    except (requests.RequestException, ValueError):
        return False
    links = page.get("links", []) if isinstance(page, dict) else []
    return any(isinstance(link, dict) and link.get("rel") in ("search", "data") for link in links)
