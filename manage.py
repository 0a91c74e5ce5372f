#!/usr/bin/env python3
"""Django's command line for LPxGP Integrations."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from lpxgp.management.commands import new_key

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lpxgp.settings")
    try:
        if sys.argv[1:2] == ["new_key"]:  # it makes what the settings ask for, so it cannot read them first
            new_key.Command().run_from_argv(sys.argv)
        else:
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Not started: {error}")
