"""Gauges for Prometheus, counted from the database when asked: all processes tell the same, and none keeps state."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, F, Min, Q
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from integrations.models import Channel, Heartbeat, Integration, SyncState
from webhooks.models import Delivery

UNPROCESSED = [Delivery.Status.RECEIVED, Delivery.Status.RETRY, Delivery.Status.PROCESSING]
EXPIRES_SOON = timedelta(hours=24)


class DatabaseCollector(Collector):
    """Six queries, whatever the number of companies. Ages are in seconds; no label names a company or a person."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield self._deliveries()
        yield self._oldest_delivery()
        yield self._integrations()
        yield from self._channels()
        yield self._dirty()
        yield self._heartbeats()

    def _deliveries(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("lpxgp_deliveries", "Webhook deliveries by status", labels=["status"])
        counts = dict(Delivery.objects.order_by().values_list("status").annotate(Count("pk")))
        for status in Delivery.Status.values:
            family.add_metric([status], counts.get(status, 0))
        return family

    def _oldest_delivery(self) -> GaugeMetricFamily:
        oldest = Delivery.objects.filter(status__in=UNPROCESSED).aggregate(at=Min("received_at"))["at"]
        age = (timezone.now() - oldest).total_seconds() if oldest else 0
        return GaugeMetricFamily("lpxgp_oldest_unprocessed_delivery_seconds", "Age of the oldest, 0 if none", age)

    def _integrations(self) -> GaugeMetricFamily:
        labels = ["provider", "integration_type", "sync_status"]
        family = GaugeMetricFamily("lpxgp_integrations", "Linked accounts", labels=["provider", "type", "status"])
        for *values, count in Integration.unscoped.order_by().values_list(*labels).annotate(Count("pk")):
            family.add_metric(values, count)
        return family

    def _channels(self) -> Iterator[GaugeMetricFamily]:
        live = GaugeMetricFamily("lpxgp_channels_live", "Push channels in use", labels=["provider"])
        expiring = GaugeMetricFamily("lpxgp_channels_expiring", "Of these: gone within 24 hours", labels=["provider"])
        soon = Q(expires_at__lte=timezone.now() + EXPIRES_SOON)
        rows = Channel.unscoped.order_by().filter(state=Channel.State.LIVE).values_list("provider")
        for provider, live_count, expiring_count in rows.annotate(Count("pk"), soon=Count("pk", filter=soon)):
            live.add_metric([provider], live_count)
            expiring.add_metric([provider], expiring_count)
        yield from (live, expiring)

    def _dirty(self) -> GaugeMetricFamily:
        dirty = SyncState.unscoped.filter(is_chosen=True, dirty_mark__gt=F("done_mark")).count()
        return GaugeMetricFamily("lpxgp_sync_states_dirty", "Resources that changed since their last sync", dirty)

    def _heartbeats(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("lpxgp_heartbeat_age_seconds", "Since a process showed life", labels=["name"])
        now = timezone.now()
        for name, beat_at in Heartbeat.objects.values_list("name", "beat_at"):
            family.add_metric([name], (now - beat_at).total_seconds())
        return family
