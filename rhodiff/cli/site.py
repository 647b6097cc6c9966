"""``rhodiff-hpc site``: site profiles, and the cluster they are for."""

from pathlib import Path
from typing import Annotated

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.options import JsonOutput

__all__ = ["app"]

app = typer.Typer(
    help="Site profiles: what rhodiff knows about clusters.", no_args_is_help=True, rich_markup_mode=None
)

SiteName = Annotated[str, typer.Argument(metavar="NAME", help="Name of a shipped profile, or a YAML file.")]


@app.command("list")
def list_profiles(as_json: JsonOutput = False) -> None:
    """List the profiles that come with rhodiff."""
    from rhodiff.cli.site_screen import sites_text
    from rhodiff.jobs.site_files import list_sites

    profiles = list_sites()
    value = {
        name: {"description": own.description, "verified": own.verified, "updated": own.updated, "source": own.source}
        for name, own in profiles.items()
    }
    Console(as_json=as_json).result(sites_text(profiles), {"sites": value})


@app.command()
def show(name: SiteName, as_json: JsonOutput = False) -> None:
    """Show a profile with its comments."""
    from rhodiff.jobs.site_files import load_site, read_site_text

    profile = load_site(name)
    value = {"name": name, "profile": profile.model_dump(mode="json")}
    Console(as_json=as_json).result(read_site_text(name).rstrip(), value)


@app.command()
def probe(
    write: Annotated[Path | None, typer.Option("--write", help="Write a profile to start from; a new file.")] = None,
    as_json: JsonOutput = False,
) -> None:
    """Ask the cluster what it has and allows."""
    import socket

    from rhodiff.cli.site_screen import cluster_text, cluster_value
    from rhodiff.jobs.limits import count_queued_jobs, read_limits
    from rhodiff.jobs.site_probe import draft_profile
    from rhodiff.jobs.surroundings import read_surroundings
    from rhodiff.store.journal import utc_now

    cluster, surroundings, queued = read_limits(), read_surroundings(), count_queued_jobs()
    text, value = cluster_text(cluster, surroundings, queued), cluster_value(cluster, surroundings, queued)
    draft = draft_profile(cluster, surroundings, host=socket.gethostname(), date=utc_now()[:10])
    if write is not None:
        _write_new(write, draft)
        text += f"\n\nwrote {write}: look through it, then 'rhodiff-hpc site check {write}'"
    elif not as_json:
        text += "\n\na profile to start from: rhodiff-hpc site probe --write mysite.yaml"
    Console(as_json=as_json).result(text, {**value, "draft": draft, "written": str(write) if write else None})


@app.command()
def check(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Profile or its file; default: $RHODIFF_SITE, else 'generic'."),
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Say what of a profile does not fit this cluster."""
    import os
    from dataclasses import asdict

    from rhodiff.cli.site_screen import findings_text
    from rhodiff.jobs.limits import read_limits
    from rhodiff.jobs.site_check import check_site
    from rhodiff.jobs.site_files import GENERIC, SITE_VARIABLE, load_site
    from rhodiff.jobs.surroundings import read_surroundings

    name = name or os.environ.get(SITE_VARIABLE) or GENERIC
    profile, cluster = load_site(name), read_limits()
    findings = check_site(profile, cluster, read_surroundings())
    has_problem = any(finding.is_problem for finding in findings)
    value = {
        "site": name,
        "cluster": cluster.name,
        "fits": not has_problem,
        "findings": [asdict(finding) for finding in findings],
    }
    Console(as_json=as_json).result(findings_text(name, cluster, findings), value)
    if has_problem:
        raise typer.Exit(1)


def _write_new(path: Path, text: str) -> None:
    from rhodiff.errors import ConfigError

    try:
        with path.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError:
        raise ConfigError(f"--write: {path} exists already and is left alone: name another file") from None
    except OSError as error:
        raise ConfigError(f"--write: cannot write {path}: {error.strerror}") from error
