"""Running the site: its hooks into the apps below."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "gpuadvisor.operations"
    label = "operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        from gpuadvisor.core import health, notices

        from . import after_restore, alive, checks, messages, mode, recording, telemetry, tracing
        from . import jobs_admin as _jobs_admin  # noqa: F401 (it registers itself)
        from .backups import admin as _backups_admin  # noqa: F401 (it registers itself)
        from .backups import afterwards
        from .backups import health as backup_health
        from .privacy import admin as _privacy_admin  # noqa: F401
        from .privacy import banner, erasing
        from .privacy import health as privacy_health

        notices.register(mode.notices)
        notices.register(messages.notices)
        notices.register(banner.erasure_notices)
        after_restore.register("deleted accounts", erasing.replay)
        afterwards.register()
        health.AMBER["privacy"] = privacy_health.privacy
        health.AMBER["archive"] = backup_health.archive
        health.AMBER["backup"] = backup_health.backup
        health.AMBER["restore-check"] = backup_health.restore_check
        checks.register()
        recording.connect()
        alive.connect()
        tracing.connect()
        telemetry.start()
