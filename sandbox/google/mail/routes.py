"""The paths of the pretend Gmail."""

from sandbox.google.mail import messages, watches
from sandbox.providers import Route

PREFIX = "/google-gmail"
USER = f"{PREFIX}/gmail/v1/users/<user_id>"

ROUTES = [
    Route("GET", f"{USER}/profile", "gmail.users.getProfile", messages.get_profile),
    Route("GET", f"{USER}/messages", "gmail.users.messages.list", messages.list_messages),
    Route("GET", f"{USER}/messages/<message_id>", "gmail.users.messages.get", messages.get_message),
    Route("GET", f"{USER}/threads", "gmail.users.threads.list", messages.list_threads),
    Route("GET", f"{USER}/threads/<thread_id>", "gmail.users.threads.get", messages.get_thread),
    Route("GET", f"{USER}/history", "gmail.users.history.list", messages.list_history),
    Route("GET", f"{USER}/labels", "gmail.users.labels.list", messages.list_labels),
    Route("GET", f"{USER}/labels/<label_id>", "gmail.users.labels.get", messages.get_label),
    Route("POST", f"{USER}/watch", "gmail.users.watch", watches.watch),
    Route("POST", f"{USER}/stop", "gmail.users.stop", watches.stop),
    Route("GET", f"{USER}/settings/sendAs", "gmail.users.settings.sendAs.list", messages.list_send_as),
    Route("GET", f"{USER}/settings/sendAs/<address>", "gmail.users.settings.sendAs.get", messages.get_send_as),
]
