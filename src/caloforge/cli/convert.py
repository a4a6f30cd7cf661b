"""``caloforge convert``: showers of other programs to shower files, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from caloforge.cli.options import force_option, output_option

if TYPE_CHECKING:
    from caloforge.data.splits.selection import Selection
    from caloforge.formats.conversion import Report


# Share of unusable showers that are more than a few failed jobs.
_MANY = 0.01


def _show_formats(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """List the formats, and end."""
    if not value or ctx.resilient_parsing:
        return
    from caloforge.formats.registry import FORMATS, usable_formats

    for row in FORMATS:
        ways = "read" if row.write is None else "read, written"
        ways = ways if row in usable_formats() else "refused"
        endings = f" as {' '.join(row.suffixes)}" if row.write and row.suffixes else ""
        click.echo(f"{row.name}  ({ways}{endings})")
        click.echo(f"    {row.title}")
        if row.write:
            click.echo(f"    loses when written: {row.loses or 'nothing'}")
    ctx.exit()


@click.command()
@click.argument("inputs", nargs=-1, required=True)
@output_option("File to be written (for alice-npz a folder), in a folder that is there.")
@click.option("--from", "from_format", metavar="FORMAT", help="Format of the inputs.")
@click.option("--to", "to_format", metavar="FORMAT", help="Format of the output.")
@click.option(
    "--geometry",
    metavar="G",
    help="Detector, if the inputs do not say: a name, a TOML file, or a binning XML.",
)
@click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    help="TOML file with the names of branches or columns.",
)
@click.option("--pdg", type=int, help="Particle kind, if the inputs do not say.")
@click.option("--min-sum", type=float, help="Keep showers of this sum of cells or more.")
@click.option("--max-sum", type=float, help="Keep showers of this sum of cells or less.")
@click.option(
    "--energy",
    type=float,
    nargs=2,
    metavar="LOW HIGH",
    help="Keep particles of these energies, in GeV.",
)
@click.option("--kinds", metavar="A,B", help="Keep particles of these kinds, e.g. n,gamma.")
@click.option(
    "--threshold",
    metavar="X",
    help="Set cells below X, in the detector's unit, to zero; 'challenge' takes that of the "
    "CaloChallenge.",
)
@click.option("--skip-bad", is_flag=True, help="Leave out showers that cannot be used.")
@click.option(
    "--binning",
    type=click.Path(path_type=Path),
    help="Also write the CaloChallenge's binning XML there.",
)
@force_option
@click.option(
    "--formats",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_formats,
    help="List the formats, and what each keeps.",
)
def convert(
    inputs: tuple[str, ...],
    output: Path,
    from_format: str | None,
    to_format: str | None,
    geometry: str | None,
    mapping: Path | None,
    pdg: int | None,
    min_sum: float | None,
    max_sum: float | None,
    energy: tuple[float, float] | None,
    kinds: str | None,
    threshold: str | None,
    skip_bad: bool,
    binning: Path | None,
    force: bool,
) -> None:
    """Write the showers of INPUTS, files of any format, to one file.

    The format of each input is found by its content, that of the output by its ending (.h5 is
    our own). Several inputs of the same detector are merged, in their order; equal particles
    then are the same incident particle. Files may be larger than the memory. What was
    converted, selected and left out is written into the file.

    \b
    Example:
        caloforge convert dataset_2_1.hdf5 dataset_2_2.hdf5 -o electrons.h5
        caloforge convert data_nonrandom_responses.npz -o zn.h5 --min-sum 10
        caloforge convert zn-test -o zn.root
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    # Imported here so that `caloforge --help` does not wait for scientific libraries.
    from caloforge.cli.shower_progress import shower_progress
    from caloforge.formats.conversion import convert as convert_files
    from caloforge.formats.format import ReadOptions

    with shower_progress() as progress:
        report = convert_files(
            inputs,
            output,
            format_name=from_format,
            to=to_format,
            options=ReadOptions(geometry=geometry, mapping=mapping, pdg=pdg),
            write_mapping=mapping,
            selection=_selection(min_sum, max_sum, energy, kinds),
            threshold=threshold,
            skip_bad=skip_bad,
            binning=binning,
            force=force,
            progress=lambda done, total: progress(str(output), done, total),
        )
    _show(report)


def _selection(
    min_sum: float | None,
    max_sum: float | None,
    energy: tuple[float, float] | None,
    kinds: str | None,
) -> Selection:
    """Collect what is to be kept."""
    from caloforge.data.splits.selection import Selection
    from caloforge.errors import ConfigError

    names = tuple(name.strip() for name in (kinds or "").split(",") if name.strip())
    if kinds is not None and not names:
        msg = f"--kinds: found no kind in '{kinds}', expected some, e.g. n,gamma; name them"
        raise ConfigError(msg)
    return Selection(min_sum or 0.0, max_sum, energy, names)


def _show(report: Report) -> None:
    """Say what was done; what should not be overlooked goes to stderr."""
    from caloforge.data.images import NO_PARTICLE
    from caloforge.data.particles import kind_name
    from caloforge.formats.format import WARNING

    kinds = ", ".join(
        f"{kind_name(pdg)} {n:,}"
        for pdg, n in sorted(report.kinds.items(), key=lambda k: -k[1])
    )
    images = report.geometry.maximum is not None and set(report.kinds) == {NO_PARTICLE["pdg"]}
    what, of = ("image", "") if images else ("shower", f" ({kinds})")
    click.echo(
        f"{report.path}: {_count(report.n_written, what)} of '{report.geometry.name}'{of} in "
        f"{report.seconds:.1f} s, {report.rate:,.0f} {what}s/s"
    )
    for text in report.conversions:
        if not text.startswith(WARNING):
            click.echo(f"  {text}")
    if report.n_unselected:
        click.echo(f"  not selected: {_count(report.n_unselected, what)}")
    share = report.n_skipped / max(report.n_read, 1)
    most = sorted(report.skipped.items(), key=lambda item: -item[1])
    if report.n_skipped:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in most)
        count = _count(report.n_skipped, f"unusable {what}")
        click.echo(f"  skipped: {count}, {100 * share:.3g} % ({reasons})")
    if report.loses:
        click.echo(f"  format '{report.format}' does not keep: {report.loses}")
    for text in report.conversions:
        if text.startswith(WARNING):
            click.echo(text, err=True)
    if share > _MANY:
        click.echo(
            f"{WARNING}{100 * share:.3g} % of the showers were left out as unusable, most for "
            f"{most[0][0]}; caloforge validate says more",
            err=True,
        )


def _count(n: int, what: str) -> str:
    """Return a number of showers or images in words."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
