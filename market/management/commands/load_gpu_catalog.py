"""Load the GPU catalog, its spellings and the platforms (R-015)."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from market.catalog import services
from market.catalog.files import FOLDER, CatalogError, read_catalog


class Command(BaseCommand):
    help = "Load GPU models, spellings and platforms from the catalog's files; a second run changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--folder", type=Path, default=FOLDER, help="where the six CSV files are")
        parser.add_argument("--check", action="store_true", help="only read and check the files")

    def handle(self, *, folder: Path, check: bool, verbosity: int, **options: Any) -> None:
        try:
            catalog = read_catalog(folder)
            loaded = None if check else services.load_catalog(catalog)
        except CatalogError as error:
            raise CommandError(f"The catalog was not loaded.\n{error}") from error
        if loaded is None:
            sizes = (
                f"{len(catalog.gpus)} GPU models, {len(catalog.aliases)} spellings, {len(catalog.platforms)} platforms"
            )
            self.stdout.write(self.style.SUCCESS(f"The files are sound: {sizes}."))
            return
        if not verbosity:
            return
        self.stdout.write(f"GPU models: {loaded.gpus}")
        self.stdout.write(f"Spellings:  {loaded.aliases}")
        self.stdout.write(f"Platforms:  {loaded.platforms}")
        self.stdout.write(f"Fees:       {loaded.fees}")
        if loaded.rates:
            self.stdout.write(f"Currency rates: {loaded.rates} new")
        if loaded.names_now_known:
            self.stdout.write(f"Unknown names that are known now: {loaded.names_now_known}")
        done = "Catalog loaded." if loaded.changed_anything else "Nothing changed: the catalog was up to date."
        self.stdout.write(self.style.SUCCESS(done))
