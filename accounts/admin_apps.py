"""Makes our admin site the default one."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class CitedeskAdminConfig(AdminConfig):
    default_site = "accounts.admin_site.CitedeskAdminSite"
