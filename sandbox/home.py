"""The sandbox's front page: who lives here, what has been asked, which faults are on order."""

from collections.abc import Sequence
from html import escape

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox import pages
from sandbox.faults import ANSWER_KINDS, PUSH_KINDS
from sandbox.pages import orders, tables
from sandbox.pages.tables import Link
from sandbox.providers import Provider, Table
from sandbox.world import World


def respond(world: World, providers: Sequence[Provider], request: Request) -> Response:
    """Everything that is neither a provider's path nor the control API."""
    match (request.method, request.path):
        case ("GET" | "HEAD", "/"):
            return front_page(world, providers)
        case ("GET" | "HEAD", "/static/sandbox.css"):
            return pages.style()
        case ("POST", "/faults"):
            return order_fault(world, request)
    return pages.page("Not found", "<h1>Not found</h1><p>The sandbox has no such page.</p>", 404)


def front_page(world: World, providers: Sequence[Provider]) -> Response:
    """Tables of every provider, then calls, pushes and faults."""
    with world.lock:
        shown = [table for provider in providers for table in provider.overview(world)]
        shown += shared_tables(world)
        now = world.clock.now().strftime("%A %d %B %Y, %H:%M:%S UTC")
    head = (
        "<h1>This is a sandbox</h1><p>It pretends to be the providers this product links to. "
        f'Its clock says <time>{now}</time>. <span class="quiet">Reload to see what is new.</span></p>'
    )
    return pages.page("Sandbox", head + ways_in(shown) + "".join(map(render, shown)) + fault_form())


def ways_in(shown: Sequence[Table]) -> str:
    """The pages that the tables lead to, where nobody has to look for them."""
    links = [one for table in shown for row in table.rows for one in row if isinstance(one, Link)]
    return f"<p>Records to look at and to change: {', '.join(map(tables.cell, links))}.</p>" if links else ""


def shared_tables(world: World) -> list[Table]:
    """What every provider's traffic has in common."""
    calls, pushes = world.requests.listing()["counts"], world.pushes.listing()["counts"]
    faults = [
        [str(one["id"]), one["operation"], one["account"] or "any", one["kind"], str(one["times"] or "until cleared")]
        for one in world.faults.listing()
    ]
    return [
        Table("Asked of it", ("Operation", "Calls"), [[name, str(n)] for name, n in sorted(calls.items())]),
        Table("Pushes", ("Outcome", "Messages"), [[name, str(n)] for name, n in sorted(pushes.items())]),
        Table("Faults on order", ("Number", "Operation", "Account", "Kind", "Times left"), faults),
    ]


def render(table: Table) -> str:
    """One table, or a line that says it is empty."""
    title = f"<h2>{escape(table.title)}</h2>"
    return title + (tables.table(table.title, table.columns, table.rows) or '<p class="quiet">None.</p>')


def fault_form() -> str:
    """Order a fault, or cancel all, by hand."""
    kinds = "".join(f"<option>{kind}</option>" for kind in [*sorted(ANSWER_KINDS), *sorted(PUSH_KINDS)])
    return (
        '<h2>Break something</h2><form method="post" action="/faults" class="row">'
        '<label>Operation <input type="text" name="operation" value="calendar.*" required></label>'
        f'<label>Kind <select name="kind">{kinds}</select></label>'
        '<label>Times <input type="number" name="times" value="1" min="1" max="1000"></label>'
        '<button class="main" name="do" value="order">Order fault</button>'
        '<button name="do" value="clear" formnovalidate>Cancel all faults</button></form>'
        '<p class="quiet">The kinds lost, late, doubled and reordered need the operation “push”.</p>'
    )


def order_fault(world: World, request: Request) -> Response:
    """The form above."""
    if not orders.is_own(request):
        return orders.refused()
    with world.lock:
        if request.form.get("do") == "clear":
            world.faults.clear()
            return redirect("/", 303)
        try:
            world.faults.add({**request.form.to_dict(), "times": int(request.form.get("times") or 1)})
        except ValueError as error:
            main = f'<h1>Not ordered</h1><p>{escape(str(error))}.</p><p><a href="/">Back</a></p>'
            return pages.page("Not ordered", main, 400)
    return redirect("/", 303)
