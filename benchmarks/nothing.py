"""What the product is measured against: a view that does nothing, and one queued task per webhook."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webhooks import inbox
from webhooks.models import Delivery


class NothingView(APIView):
    """Answers at once: what Django, its REST framework and the server cost by themselves."""

    schema = None

    def post(self, request: Request) -> Response:
        return Response({"detail": "Nothing."}, status=202)


def work_off(delivery_id: str) -> None:
    """The least a task of its own could do for one delivery: read it, and say that it is done."""
    delivery = Delivery.objects.get(pk=delivery_id)
    inbox.body_of(delivery)
    Delivery.objects.filter(pk=delivery.pk).update(status=Delivery.Status.DONE)
