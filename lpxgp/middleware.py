"""stub, being written"""
from collections.abc import Callable
from django.http import HttpRequest, HttpResponse
Handler = Callable[[HttpRequest], HttpResponse]
def SecurityHeaders(get: Handler) -> Handler: return get
def Tenancy(get: Handler) -> Handler: return get
def StaffNeedMfa(get: Handler) -> Handler: return get
def UserTimeZone(get: Handler) -> Handler: return get
