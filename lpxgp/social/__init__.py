"""Sign-in with Google and Microsoft: allauth's providers over our own transport, asking for who one is and no more.

One app per provider, as allauth wants it: ``provider`` holds its class, ``urls`` its two addresses.
https://docs.allauth.org/en/latest/socialaccount/introduction.html
"""
