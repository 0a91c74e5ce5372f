"""Who may read what a mail is about. Subjects of private mail are for those who wrote or got it, and for nobody else.

Everybody else in the firm sees that there was mail, on which day, in which direction and with whom. What a block rule
hides is named to nobody.
"""

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from relationships.models import Company, Touchpoint, User

HIDDEN = "Mail"
UNTITLED = {
    Touchpoint.Kind.MEETING: "Meeting without a title",
    Touchpoint.Kind.EMAIL: "Mail without a subject",
    Touchpoint.Kind.CALL: "Call",
}


def may_read(touchpoint: Touchpoint, *readers: User) -> bool:
    """Whether each of the readers may read the title, and see which conversation it belongs to and at what hour.

    Private mail is open to its own users alone: not to colleagues, not to staff. What is out of sight is open to
    nobody. In lists prefetch ``users``.
    """
    if touchpoint.is_out_of_sight:
        return False
    if not touchpoint.is_private:
        return True
    own = {user.pk for user in touchpoint.users.all()}
    return bool(readers) and own.issuperset(reader.pk for reader in readers)


def title_for(touchpoint: Touchpoint, *readers: User) -> str:
    """What the touchpoint is called before all of these readers; never empty."""
    if not may_read(touchpoint, *readers):
        return HIDDEN if touchpoint.kind == Touchpoint.Kind.EMAIL else touchpoint.get_kind_display()
    return touchpoint.title or UNTITLED[Touchpoint.Kind(touchpoint.kind)]


def share_subjects(user: User, is_shared: bool) -> int:
    """Say whether colleagues may read the subjects of this user's mail, for the past as well.

    The strictest wins: a mail is private unless every one of its users shares. Returns how many mails changed.
    """
    assert user.company_id is not None
    with transaction.atomic():
        # As whoever records mail does, so that no sync writes down what was true before.
        Company.objects.select_for_update(no_key=True).filter(pk=user.company_id).values_list("pk").get()
        User.objects.filter(pk=user.pk).update(shares_mail_subjects=is_shared)
        mails, now = mails_of(user), timezone.now()
        strict = Touchpoint.users.through._default_manager.filter(
            touchpoint=OuterRef("pk"), user__shares_mail_subjects=False
        )
        if is_shared:
            return mails.filter(~Exists(strict), is_private=True).update(is_private=False, updated_at=now)
        return mails.filter(Exists(strict), is_private=False).update(is_private=True, updated_at=now)


def mails_of(user: User) -> QuerySet[Touchpoint]:
    """The mail of which this user holds a copy. Needs ``tenancy.within`` the user's company."""
    held = Touchpoint.users.through._default_manager.filter(user=user)
    return Touchpoint.objects.filter(kind=Touchpoint.Kind.EMAIL, pk__in=held.values("touchpoint"))
