"""The paths of Outlook mail."""

from sandbox.microsoft import graph
from sandbox.microsoft.mail import delta, reading
from sandbox.providers import Route

ME = f"{graph.BASE}/me"
FOLDERS = f"{ME}/mailFolders"
FOLDER = f"{FOLDERS}/<folder>"

ROUTES = [
    Route("GET", FOLDERS, "graph.mailFolders.list", reading.list_folders),
    Route("GET", f"{FOLDERS}/delta", "graph.mailFolders.delta", delta.folders),
    Route("GET", FOLDER, "graph.mailFolders.get", reading.get_folder),
    Route("GET", f"{FOLDER}/childFolders", "graph.mailFolders.list", reading.list_folders),
    Route("GET", f"{FOLDER}/messages", "graph.messages.list", reading.list_messages),
    Route("GET", f"{FOLDER}/messages/delta", "graph.messages.delta", delta.messages),
    Route("GET", f"{FOLDER}/messages/<message_id>", "graph.messages.get", reading.get_message),
    Route("GET", f"{ME}/messages", "graph.messages.list", reading.list_messages),
    Route("GET", f"{ME}/messages/<message_id>", "graph.messages.get", reading.get_message),
]
