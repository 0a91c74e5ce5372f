"""What an app may ask for.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_tokens_scopes.htm
"""

KNOWN = {
    "api": "Manage user data via APIs",
    "refresh_token": "Perform requests at any time",
    "offline_access": "Perform requests at any time",
    "id": "Access the identity URL service",
    "openid": "Access unique user identifiers",
    "profile": "Access the identity URL service",
    "email": "Access the identity URL service",
    "web": "Manage user data via Web browsers",
    "full": "Full access",
    "pubsub_api": "Access Pub/Sub API",
}
OFFLINE = frozenset({"refresh_token", "offline_access"})
DATA = frozenset({"api", "full"})
IDENTITY = frozenset({"id", "openid", "profile", "email", "full"})
