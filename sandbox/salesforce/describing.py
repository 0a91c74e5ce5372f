"""What there is: versions, limits, objects and their fields.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm
"""

from typing import Any

from werkzeug.wrappers import Response

from sandbox.providers import Call
from sandbox.salesforce import errors, queries, records
from sandbox.salesforce.api import FIRST_VERSION, LAST_VERSION, Ask
from sandbox.salesforce.catalogue import SETUP, Kind
from sandbox.salesforce.paths import View

SEASONS = ("Spring", "Summer", "Winter")
MOST_RECENT = 5


def versions(call: Call) -> Response:
    """GET /services/data: for anybody, and not counted."""
    return errors.reply([version(number) for number in range(FIRST_VERSION, LAST_VERSION + 1)])


def version(number: int) -> dict[str, str]:
    """One version; 66.0 is Spring '26, and there are three a year."""
    year, season = divmod(number - 60, 3)
    label = f"{SEASONS[season]} '{24 + year + (season == 2)}"
    return {"label": label, "url": f"/services/data/v{number}.0", "version": f"{number}.0"}


def limits(ask: Ask) -> Response:
    """GET limits."""
    known = ask.org.limits
    content = {
        "ConcurrentAsyncGetReportInstances": {"Max": 200, "Remaining": 200},
        "DailyApiRequests": {"Max": known.most, "Remaining": max(0, known.most - known.used)},
        "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
        "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
        "DataStorageMB": {"Max": 1_073, "Remaining": 1_073},
    }
    return errors.reply(content)


def resources(ask: Ask) -> Response:
    """GET /services/data/vNN.0."""
    names = ("tooling", "query", "queryAll", "sobjects", "limits", "composite", "jobs")
    return errors.reply(
        {name: ask.path(name) for name in names}
        | {"identity": f"https://{ask.org.login_host}/id/{ask.org.id}/{ask.user_id}"}
    )


def objects(ask: Ask) -> Response:
    """GET sobjects."""
    kinds = (table.kind for table in ask.org.tables.values() if not table.kind.is_tooling)
    visible = [one for one in kinds if not ask.org.access.is_object_hidden(ask.user_id, one.name)]
    return errors.reply({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": [summary(ask, one) for one in visible]})


def basics(ask: Ask) -> Response:
    """GET sobjects/X: a summary, and the records changed last."""
    table = ask.table(ask.args["name"])
    numbers = table.ordered(None, None, is_deleted=False)[-MOST_RECENT:]
    view, name = View(ask.org, ask.user_id), table.kind.name
    seen = ask.org.seen(ask.user_id, name)
    shown = {key: one for key, one in seen.items() if key == "id" or one.field.name_field}
    recent = [queries.whole(name, shown, row, ask.version, view) for _, row in queries.rows(table, numbers)]
    return errors.reply({"objectDescribe": summary(ask, table.kind), "recentItems": recent})


def describe(ask: Ask) -> Response:
    """GET sobjects/X/describe: as this user has it."""
    table = ask.table(ask.args["name"])
    since = records.header_time(ask, "If-Modified-Since")
    if since is not None and ask.org.schema_changed <= since:
        return errors.empty(304)
    seen = ask.org.seen(ask.user_id, table.kind.name)
    content = summary(ask, table.kind) | {
        "actionOverrides": [],
        "childRelationships": [],
        "compactLayoutable": True,
        "fields": [one.field.describe(is_editable=one.is_editable) for one in seen.values()],
        "namedLayoutInfos": [],
        "recordTypeInfos": [record_type(ask, table.kind)],
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": f"All {table.kind.plural.lower()}", "name": "everything"}],
    }
    return errors.reply(dict(sorted(content.items())), Last_Modified=records.http_date(ask.org.schema_changed))


def record_type(ask: Ask, kind: Kind) -> dict[str, Any]:
    """The one every object has."""
    name = "012000000000000AAA"
    return {
        "active": True,
        "available": True,
        "defaultRecordTypeMapping": True,
        "developerName": "Master",
        "master": True,
        "name": "Master",
        "recordTypeId": name,
        "urls": {"layout": ask.path(f"sobjects/{kind.name}/describe/layouts/{name}")},
    }


def summary(ask: Ask, kind: Kind) -> dict[str, Any]:
    """An object without its fields."""
    place = ask.path(f"sobjects/{kind.name}")
    is_ordinary = kind.name not in SETUP and kind.name != "User"
    return {
        "activateable": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "createable": kind.name not in {"Profile", "Organization"},
        "custom": False,
        "customSetting": False,
        "deepCloneable": False,
        "deletable": kind.name not in {"User", "Profile", "Organization"},
        "deprecatedAndHidden": False,
        "feedEnabled": kind.name in {"Account", "Contact", "User"},
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": kind.prefix,
        "label": kind.label,
        "labelPlural": kind.plural,
        "layoutable": is_ordinary,
        "mergeable": kind.name in {"Account", "Contact"},
        "mruEnabled": is_ordinary,
        "name": kind.name,
        "queryable": True,
        "replicateable": is_ordinary,
        "retrieveable": True,
        "searchable": is_ordinary,
        "triggerable": is_ordinary,
        "undeletable": is_ordinary,
        "updateable": kind.name not in {"Profile", "Organization"},
        "urls": {"rowTemplate": f"{place}/{{ID}}", "describe": f"{place}/describe", "sobject": place},
    }
