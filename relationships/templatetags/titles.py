"""What a touchpoint is called, before whom. Templates never print the title of one themselves."""

from collections.abc import Sequence

from django import template

from relationships import privacy
from relationships.models import Touchpoint, User

register = template.Library()


@register.filter
def title_for(touchpoint: Touchpoint, readers: Sequence[User]) -> str:
    """The title that all of these readers may see; "Mail" where it is not for them."""
    return privacy.title_for(touchpoint, *readers)


@register.filter
def is_open_to(touchpoint: Touchpoint, readers: Sequence[User]) -> bool:
    """Whether all of these readers may see title, hour and conversation."""
    return privacy.may_read(touchpoint, *readers)
