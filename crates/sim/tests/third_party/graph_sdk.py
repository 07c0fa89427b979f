"""Judges a running simulator by msgraph-sdk and msgraphfs, unmodified: list, read, upload.

Argument: the JSON line that the simulator printed when it was ready (scenario `voices`, no faults).
Exits non-zero on the first failure.
"""

import asyncio
import hashlib
import json
import sys
import urllib.request

import httpx
from azure.core.credentials import AccessToken
from kiota_abstractions.api_error import APIError
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.drives.item.items.item.create_upload_session.create_upload_session_post_request_body import (
    CreateUploadSessionPostRequestBody,
)
from msgraph.generated.models.drive_item import DriveItem
from msgraph.generated.models.drive_item_uploadable_properties import DriveItemUploadableProperties
from msgraph.generated.models.folder import Folder
from msgraphfs import MSGDriveFS

READY = json.loads(sys.argv[1])
ENV = READY["env"]


def inspect(path):
    with urllib.request.urlopen(READY["inspect"] + path) as reply:
        return json.load(reply)


class Secret:
    """A credential of azure-core that signs in with the secret."""

    def get_token(self, *scopes, **_):
        url = f"{READY['login']}/{ENV['AZURE_TENANT_ID']}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": ENV["AZURE_CLIENT_ID"],
            "client_secret": ENV["AZURE_CLIENT_SECRET"],
            "scope": "https://graph.microsoft.com/.default",
        }
        reply = httpx.post(url, data=form)
        reply.raise_for_status()
        body = reply.json()
        return AccessToken(body["access_token"], body["expires_in"] + 10**10)


def drives():
    found = {}
    for drive in inspect("/drives")["drives"]:
        if drive["driveType"] == "business":
            found["source"] = drive["id"]
        elif drive["name"] == "Documents" and drive["site"].endswith("/sites/Archive"):
            found["library"] = drive["id"]
    return found


async def sdk(ids):
    provider = AzureIdentityAuthenticationProvider(Secret(), allowed_hosts=["127.0.0.1"])
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = READY["graph"]
    client = GraphServiceClient(request_adapter=adapter)

    drive = await client.drives.by_drive_id(ids["source"]).get()
    assert drive.drive_type == "business", drive
    site = await client.sites.by_site_id("contoso.sharepoint.com:/sites/Archive:").get()
    assert site.display_name == "Archive", site
    libraries = await client.sites.by_site_id(site.id).drives.get()
    assert "Documents" in [one.name for one in libraries.value], libraries

    items = client.drives.by_drive_id(ids["source"]).items
    root = await items.by_drive_item_id("root").children.get()
    recordings = next(item for item in root.value if item.name == "Recordings")
    assert recordings.folder.child_count > 0, recordings

    # Everything by delta, page by page.
    page = await items.by_drive_item_id("root").delta.get()
    names = []
    while True:
        names += [item.name for item in page.value]
        if not page.odata_next_link:
            break
        page = await items.by_drive_item_id("root").delta.with_url(page.odata_next_link).get()
    assert page.odata_delta_link, page
    assert any(name and name.startswith("会議録音") for name in names), names[:20]

    file = next(item for item in (await walk(items, recordings)) if item.file and item.size)
    content = await items.by_drive_item_id(file.id).content.get()
    assert len(content) == file.size, (len(content), file.size)

    # A folder, a small file, a file in a session, in the library.
    target = client.drives.by_drive_id(ids["library"]).items
    folder = await target.by_drive_item_id("root").children.post(DriveItem(name="SDK 東京", folder=Folder()))
    small = await target.by_drive_item_id(f"{folder.id}:/小さい.txt:").content.put("こんにちは".encode())
    assert small.size == len("こんにちは".encode()), small
    body = CreateUploadSessionPostRequestBody(item=DriveItemUploadableProperties())
    body.item.additional_data = {"@microsoft.graph.conflictBehavior": "fail"}
    session = await target.by_drive_item_id(f"{folder.id}:/大きい.bin:").create_upload_session.post(body)
    payload = bytes(i * 7 % 251 for i in range(327680 + 1000))
    async with httpx.AsyncClient() as plain:
        for start in (0, 327680):
            part = payload[start : start + 327680]
            span = f"bytes {start}-{start + len(part) - 1}/{len(payload)}"
            reply = await plain.put(session.upload_url, content=part, headers={"Content-Range": span})
            assert reply.status_code == (202 if start == 0 else 201), reply.text
    made = await target.by_drive_item_id(reply.json()["id"]).get()
    assert made.file.hashes.quick_xor_hash and made.size == len(payload), made
    back = await target.by_drive_item_id(made.id).content.get()
    assert hashlib.sha256(back).digest() == hashlib.sha256(payload).digest()

    await target.by_drive_item_id(folder.id).delete()
    try:
        await target.by_drive_item_id(folder.id).get()
    except APIError as error:
        assert error.response_status_code == 404, error
    else:
        raise AssertionError("a deleted folder is still found")


async def walk(items, folder):
    out = []
    page = await items.by_drive_item_id(folder.id).children.get()
    for item in page.value:
        out += [item] if item.file else await walk(items, item)
    return out


def fsspec(ids):
    base = {
        "client_id": ENV["AZURE_CLIENT_ID"],
        "client_secret": ENV["AZURE_CLIENT_SECRET"],
        "token_endpoint": f"{READY['login']}/{ENV['AZURE_TENANT_ID']}/oauth2/v2.0/token",
        "scope": "https://graph.microsoft.com/.default",
        "grant_type": "client_credentials",
    }

    def open_drive(drive):
        fs = MSGDriveFS(drive_id=drive, oauth2_client_params=dict(base), skip_instance_cache=True)
        fs.drive_url = f"{READY['graph']}/drives/{drive}"
        return fs

    source, library = open_drive(ids["source"]), open_drive(ids["library"])
    listed = source.ls("/", detail=False)
    assert any(name.endswith("Recordings") for name in listed), listed
    files = source.find("/Recordings")
    assert files, "find names no file"
    name = next(name for name in files if source.info(name)["size"] > 100)
    data = source.cat_file(name)
    assert len(data) == source.info(name)["size"], name
    library.pipe_file("/msgraphfs の録音.wav", data)
    assert library.cat_file("/msgraphfs の録音.wav") == data
    library.rm_file("/msgraphfs の録音.wav")


IDS = drives()
asyncio.run(sdk(IDS))
print("msgraph-sdk: all well")
fsspec(IDS)
print("msgraphfs: all well")
