"""What all of the pretend Graph's calls have in common: wishes, paths, cursors, errors."""

from collections.abc import Iterator

import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from sandbox.microsoft import paging, paths, prefer
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.state import Microsoft
from sandbox.world import World
from tests.sandbox.office import Office
from tests.sandbox.person import Scene

ANNA = "anna@contoso.example"


def asking(*wishes: str) -> Request:
    return Request(EnvironBuilder(headers=Headers([("Prefer", wish) for wish in wishes])).get_environ())


@pytest.fixture
def microsoft() -> Iterator[Microsoft]:
    microsoft = Microsoft(World())
    yield microsoft
    microsoft.stop()


class TestPrefer:
    def test_nothing_asked_is_utc_and_changing_ids(self) -> None:
        wanted = prefer.read(asking())
        assert (wanted.time_zone, wanted.max_page_size, wanted.is_immutable) == ("UTC", None, False)
        assert "Preference-Applied" not in prefer.applied(Response(), wanted).headers

    @pytest.mark.parametrize(
        "wishes",
        [
            ('outlook.timezone="Pacific Standard Time", odata.maxpagesize=200, IdType="ImmutableId"',),
            ('outlook.timezone="Pacific Standard Time"', "odata.maxpagesize=200", 'IdType="ImmutableId"'),
            ('Outlook.TimeZone = "Pacific Standard Time",ODATA.MAXPAGESIZE=200', "idtype=immutableid"),
        ],
        ids=["joined", "several", "sloppy"],
    )
    def test_wishes_come_in_one_header_or_several(self, wishes: tuple[str, ...]) -> None:
        wanted = prefer.read(asking(*wishes))
        assert (wanted.time_zone, wanted.max_page_size, wanted.is_immutable) == ("Pacific Standard Time", 200, True)
        said = prefer.applied(Response(), wanted, "odata.track-changes").headers["Preference-Applied"]
        assert said.startswith('odata.track-changes, outlook.timezone="Pacific Standard Time"')

    @pytest.mark.parametrize("size", ["0", "-1", "many", "²", ""])
    def test_a_page_size_that_is_none_is_left(self, size: str) -> None:
        assert prefer.read(asking(f"odata.maxpagesize={size}")).max_page_size is None


@pytest.mark.parametrize(
    ("spelled", "canonical"),
    [
        ("/me/mailfolders('inbox')/messages/delta()", "/me/mailFolders/inbox/messages/delta"),
        ("/Me/CalendarView/microsoft.graph.delta()", "/me/calendarView/delta"),
        ("/me/MESSAGES/AAkALgAA_b-C=", "/me/messages/AAkALgAA_b-C="),
        ("/me/messages('AAkALgAA_b-C=')", "/me/messages/AAkALgAA_b-C="),
        ("/$BATCH", "/$batch"),
        ("/something('else')", "/something('else')"),
    ],
)
def test_paths_have_many_spellings(spelled: str, canonical: str) -> None:
    assert paths.canonical(f"/microsoft-graph/v1.0{spelled}") == f"/microsoft-graph/v1.0{canonical}"
    assert paths.canonical(f"/google-apis{spelled}") == f"/google-apis{spelled}"


class TestCursors:
    def test_a_token_stands_for_its_values_also_after_a_restart(self, microsoft: Microsoft) -> None:
        token = paging.issue(microsoft, "events", {"account": ANNA, "after": 7})
        saved = microsoft.dump()
        microsoft.reset()
        microsoft.load(saved)
        assert paging.find(microsoft, "events", token) == {"account": ANNA, "after": 7}

    def test_forgotten_is_told_from_junk(self, microsoft: Microsoft) -> None:
        mine = paging.issue(microsoft, "events", {"account": ANNA})
        other = paging.issue(microsoft, "events", {"account": "ben@contoso.example"})
        mail = paging.issue(microsoft, "messages", {"account": ANNA})
        assert paging.forget(microsoft, "events", account=ANNA) == 1
        assert paging.find(microsoft, "events", other)
        assert paging.find(microsoft, "messages", mail)
        refused = {}
        for token in (mine, mail, "junk", ""):
            with pytest.raises(GraphError) as raised:
                paging.find(microsoft, "events", token)
            refused[token] = (raised.value.status, raised.value.code)
        assert refused[mine] == (410, "SyncStateNotFound")
        assert refused[mail] == refused["junk"] == refused[""] == (400, "InvalidDeltaToken")

    def test_the_oldest_fall_out(self, microsoft: Microsoft) -> None:
        tokens = [paging.issue(microsoft, "events", {"number": number}) for number in range(paging.MOST_KEPT + 1)]
        with pytest.raises(GraphError) as raised:
            paging.find(microsoft, "events", tokens[0])
        assert raised.value.status == 410
        assert paging.find(microsoft, "events", tokens[1]) == {"number": 1}

    def test_a_link_escapes_its_token(self) -> None:
        made = paging.link("https://graph.microsoft.com/v1.0/me/calendarView/delta", "$deltatoken", "a+b/c")
        assert made.endswith("/delta?$deltatoken=a%2Bb%2Fc")


class TestEnvelope:
    @pytest.fixture
    def office(self, scene: Scene) -> Office:
        office = Office(scene)
        office.account(ANNA)
        return office

    def test_the_clients_own_request_id_comes_back(self, office: Office) -> None:
        token = office.token(ANNA, "User.Read")
        asked = {"client-request-id": "7ce9703d-57ff-43df-b8f6-d75e8c753505"}
        good = office.graph(token, "/Me?%24select=id", headers=asked)
        assert set(good.json()) == {"@odata.context", "id"}
        assert good.headers["client-request-id"] == asked["client-request-id"]
        bad = office.graph("junk", "/me", headers=asked)
        inner = bad.json()["error"]["innerError"]
        assert (inner["client-request-id"], inner["request-id"]) == (*asked.values(), bad.headers["request-id"])

    def test_a_dead_token_is_401_in_three_words(self, office: Office) -> None:
        token = office.token(ANNA, "User.Read")
        office.control("expire_access_tokens", account=ANNA)
        messages = set()
        for dead in (token, "junk", ""):
            answer = office.graph(dead, "/me")
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            messages.add(answer.json()["error"]["message"])
        assert len(messages) == 3
