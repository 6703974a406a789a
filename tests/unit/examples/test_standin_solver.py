"""The stand-in solver: what it says it is, what it calculates, and what it says of a wrong case."""

from __future__ import annotations

import json
import math
import struct

import pytest

both = pytest.mark.parametrize("case", ["hsdi", "pintle"], indirect=True)
hsdi = pytest.mark.parametrize("case", ["hsdi"], indirect=True)
pintle = pytest.mark.parametrize("case", ["pintle"], indirect=True)


@pytest.fixture
def cantera(case):
    if case.folder.name == "hsdi":
        pytest.importorskip("cantera")


@both
@pytest.mark.usefixtures("cantera")
def test_it_says_that_it_is_not_converge(case):
    done = case.solve("--super")
    assert done.returncode == 0, done.stderr
    assert "NOT CONVERGE CFD" in done.stdout
    assert done.stderr == ""
    for out in case.folder.glob("*.out"):
        assert "stand-in" in out.read_text(encoding="utf-8").splitlines()[0]


@both
@pytest.mark.usefixtures("cantera")
def test_the_same_case_gives_the_same_bytes(case):
    assert case.solve("--cores", "1").returncode == 0
    first = {path.name: path.read_bytes() for path in case.folder.iterdir()}
    assert case.solve("--cores", "2").returncode == 0
    assert {path.name: path.read_bytes() for path in case.folder.iterdir()} == first


@both
@pytest.mark.usefixtures("cantera")
def test_the_binary_file_says_what_is_in_it(case):
    assert case.solve().returncode == 0
    magic, head, body = (case.folder / "post_000001.bin").read_bytes().split(b"\n", 2)
    described = json.loads(head)
    assert magic == b"STANDIN1"
    assert len(body) == 8 * described["rows"] * len(described["columns"])
    assert len(body) > 2_000_000
    assert all(math.isfinite(x) for (x,) in struct.iter_unpack("<d", body))


@hsdi
@pytest.mark.usefixtures("cantera")
def test_fuel_enters_burns_and_does_work(case):
    assert case.solve().returncode == 0
    mass, temperature = case.column("thermo.out", "Mass"), case.column("thermo.out", "Mean_Temp")
    assert mass[-1] - mass[0] == pytest.approx(18.0e-6, rel=1e-3)
    assert max(temperature) > 1500
    # 18 mg of n-dodecane hold 44.1 MJ/kg: about half of it becomes work in the closed part of the cycle.
    assert 0.3 < case.column("thermo.out", "Work")[-1] / (18.0e-6 * 44.1e6) < 0.6


@hsdi
@pytest.mark.usefixtures("cantera")
def test_without_fuel_the_gas_is_only_compressed(case):
    case.edit("spray.in", "18.0e-6 ", "0 ")
    assert case.solve().returncode == 0
    mass, pressure = case.column("thermo.out", "Mass"), case.column("thermo.out", "Pressure")
    assert mass[-1] == pytest.approx(mass[0], rel=1e-9)
    # Between isothermal and isentropic compression from intake valve closing.
    volume = case.column("thermo.out", "Volume")
    ratio = volume[0] / min(volume)
    assert ratio < max(pressure) / pressure[0] < ratio**1.4


@hsdi
@pytest.mark.usefixtures("cantera")
def test_more_compression_gives_a_higher_peak_pressure(case):
    assert case.solve().returncode == 0
    low = max(case.column("thermo.out", "Pressure"))
    case.edit("engine.in", "16.0 ", "18.0 ")
    assert case.solve().returncode == 0
    assert max(case.column("thermo.out", "Pressure")) > 1.1 * low


@pintle
def test_the_spray_evaporates_and_cools_the_chamber(case):
    assert case.solve().returncode == 0
    liquid, vapour = case.column("spray.out", "Liquid_mass"), case.column("thermo.out", "Vapour_mass")
    injected = 0.25 * 0.002
    assert max(liquid) < injected * 1.0001
    assert liquid[-1] + vapour[-1] == pytest.approx(injected, rel=1e-6)
    assert vapour[-1] > 0.5 * injected
    temperature = case.column("thermo.out", "Mean_Temp")
    assert temperature == sorted(temperature, reverse=True)


@pintle
def test_the_half_angle_follows_the_momentum_ratio(case):
    assert case.solve().returncode == 0
    ratio = case.column("sheet.out", "TMR")[0]
    radial = 0.25**2 / (750 * math.pi * 0.010 * 0.00025)
    axial = 0.60**2 / (1140 * math.pi * 0.0104 * 0.00040)
    assert ratio == pytest.approx(radial / axial, rel=1e-6)
    assert case.column("sheet.out", "Half_angle")[0] == pytest.approx(
        math.degrees(math.acos(1 / (1 + ratio))), rel=1e-6
    )


@pintle
def test_a_faster_sheet_makes_smaller_drops(case):
    assert case.solve().returncode == 0
    slow = case.column("sheet.out", "SMD")[0]
    case.edit("spray.in", "0.25     radial_mass_flow", "0.35     radial_mass_flow")
    assert case.solve().returncode == 0
    assert case.column("sheet.out", "SMD")[0] < 0.9 * slow


@pintle
@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("inputs.in", "0.02 ", "soon ", "inputs.in:4: end_time is no number: 'soon'"),
        ("inputs.in", "0.02 ", "nan ", "inputs.in:4: end_time = nan is not within"),
        ("inputs.in", "0.02 ", "-1 ", "end_time is not after start_time"),
        ("spray.in", "radial_gap", "radial_gab", "spray.in:3: unknown keyword 'radial_gab'"),
        ("spray.in", "radial_gap", "pintle_diameter", "spray.in:3: pintle_diameter was given in line 2 already"),
        ("liquid.dat", "750 ", "", "liquid.dat:2: expected `value keyword`"),
        ("spray.in", "0.25  ", "0.02  ", "gas Weber number"),
        ("initialize.in", "1500", "9000", "initialize.in:3: temperature = 9000 is not within 300 and 4000"),
    ],
)
def test_a_wrong_case_is_named_by_file_and_line(case, name, before, after, said):
    case.edit(name, before, after)
    done = case.solve()
    assert done.returncode == 1
    assert said in done.stderr
    assert not (case.folder / "thermo.out").exists()


@pintle
def test_a_missing_file_is_named(case):
    (case.folder / "spray.in").unlink()
    done = case.solve()
    assert done.returncode == 1
    assert "spray.in: can not be read" in done.stderr


@hsdi
@pytest.mark.usefixtures("cantera")
def test_an_unknown_mechanism_is_named(case):
    case.edit("mech.dat", "nDodecane_Reitz.yaml", "nowhere.yaml")
    done = case.solve()
    assert done.returncode == 1
    assert "nowhere.yaml" in done.stderr


@pintle
@pytest.mark.parametrize("option", ["--cores=0", "--fast"])
def test_a_wrong_option_is_a_usage_error(case, option):
    assert case.solve(option).returncode == 2
