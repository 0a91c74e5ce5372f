"""Where everything is: what msal reads before its first request.

https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc#fetch-the-openid-configuration-document
"""

from typing import Any

from werkzeug.wrappers import Response

from sandbox.microsoft import errors
from sandbox.microsoft.errors import OAuthError
from sandbox.microsoft.state import PERSONAL, Microsoft, microsoft_of
from sandbox.providers import Call

HOST = "login.microsoftonline.com"
EVERYBODY = {"common": "{tenantid}", "organizations": "{tenantid}", "consumers": PERSONAL}
"""The issuer's tenant by authority; of a tenant it is the tenant itself."""


def openid_configuration(call: Call) -> Response:
    """The addresses are the real ones: clients reach the sandbox by rerouting them."""
    microsoft, tenant = microsoft_of(call.world), call.args["tenant"]
    with call.world.lock:
        issuer = EVERYBODY.get(tenant) or known_tenant(microsoft, tenant)
    if not issuer:
        explanation = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
        return OAuthError("invalid_tenant", 90002, explanation).response(call.world.clock.now())
    return errors.reply(configuration(f"https://{HOST}/{tenant}", issuer))


def known_tenant(microsoft: Microsoft, tenant: str) -> str:
    """The tenant if somebody belongs to it, or nothing."""
    return tenant if any(one.tenant == tenant for one in microsoft.accounts.values()) else ""


def configuration(base: str, issuer: str) -> dict[str, Any]:
    """The document of an authority."""
    return {
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "response_modes_supported": ["query"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": f"https://{HOST}/{issuer}/v2.0",
        "request_uri_parameter_supported": False,
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "tenant_region_scope": None,
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
    }


def instance(call: Call) -> Response:
    """/common/discovery/instance: the names of the cloud, and where a tenant's document is."""
    names = {
        "preferred_network": HOST,
        "preferred_cache": "login.windows.net",
        "aliases": [HOST, "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    }
    content = {
        "tenant_discovery_endpoint": f"https://{HOST}/{call.args['tenant']}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [names],
    }
    return errors.reply(content)
