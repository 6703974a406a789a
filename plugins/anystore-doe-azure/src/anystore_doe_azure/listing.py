"""A page of a container's listing: XML in, our values out."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree

from anystore_doe.model import ObjectInfo
from anystore_doe_azure.client import is_folder, md5_of, pin_of, seconds_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST = 5000
"""Most blobs of one page."""


class BadPageError(ValueError):
    """A page can not be read; never leaves this plugin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one answer lists; ``following`` is the marker of the next page, ``""`` when there is none."""

    objects: list[ObjectInfo]
    following: str


def parsed_page(body: bytes) -> Page:
    """Read the answer to List Blobs (Azure Storage REST reference); directories of data lakes are left out.

    Raises:
        BadPageError: it is no such answer.
    """
    if b"<!DOCTYPE" in body[:1000]:
        raise BadPageError("it declares a document type")
    try:
        root = ElementTree.fromstring(body.removeprefix(b"\xef\xbb\xbf"))  # noqa: S314  no document type, no entities
        return Page(
            objects=[info for blob in root.iterfind("Blobs/Blob") if (info := _described(blob)) is not None],
            following=root.findtext("NextMarker") or "",
        )
    except (ElementTree.ParseError, ValueError, TypeError) as error:
        raise BadPageError(str(error)) from error


def _described(blob: Element) -> ObjectInfo | None:
    name = blob.find("Name")
    if name is None or not name.text:
        raise BadPageError("a blob has no name")
    properties = blob.find("Properties")
    found = {one.tag: one.text or "" for one in properties} if properties is not None else {}
    metadata = {one.tag.lower(): one.text or "" for one in blob.iterfind("Metadata/*")}
    if is_folder(
        {
            "x-ms-meta-hdi_isfolder": metadata.get("hdi_isfolder", ""),
            "x-ms-resource-type": found.get("ResourceType", ""),
        }
    ):
        return None
    # a name that XML can not hold is percent-encoded, and says so
    key = unquote(name.text) if name.get("Encoded") == "true" else name.text
    return ObjectInfo(
        key=key,
        size=int(found["Content-Length"]) if "Content-Length" in found else -1,
        pin=pin_of(found.get("Etag")),
        checksums=md5_of(found.get("Content-MD5")),
        modified_at=seconds_of(found.get("Last-Modified")),
    )


def block_list(ids: list[str]) -> bytes:
    """Return the body of Put Block List: the blocks of a blob, in their order."""
    latest = "".join(f"<Latest>{one}</Latest>" for one in ids)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{latest}</BlockList>'.encode()


def block_id(upload: bytes, number: int) -> str:
    """Return the base64 id of a block: all of an upload's are equally long, and no two uploads share one."""
    return base64.b64encode(upload + number.to_bytes(4, "big")).decode()
