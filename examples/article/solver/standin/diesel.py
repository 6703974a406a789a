"""HSDI: a zero-dimensional slider-crank diesel from intake valve closing to exhaust valve opening.

One homogeneous ideal gas with finite-rate chemistry (n-dodecane, the mechanism named in ``mech.dat``; it ships
with Cantera), a piston, fuel vapour that enters as a half sine in time, and a wall that takes heat.

Sources:
    * Slider-crank volume: J. B. Heywood, Internal Combustion Engine Fundamentals, 2nd ed. (2018), eq. 2.6.
    * Reactor network: D. G. Goodwin et al., Cantera (version in ``thermo.out``), https://www.cantera.org.
    * Wall heat: G. F. Hohenberg, Advanced Approaches for Heat Transfer Calculations, SAE 790825 (1979):
      h = 130 V^-0.06 p^0.8 T^-0.4 (c_m + 1.4)^0.8 W/m2K, with V in m3, p in bar, T in K, c_m in m/s.

It has no spray, no turbulence and no squish: trends with compression ratio and injection timing are what it shows.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .deck import DeckError, read_numbers, read_words, write_echo
from .results import write_columns, write_states

if TYPE_CHECKING:
    from pathlib import Path

BAR = 1e5
ENGINE = {
    "bore": (0.01, 1.0),
    "stroke": (0.01, 2.0),
    "connecting_rod": (0.02, 4.0),
    "rpm": (100.0, 10000.0),
    "compression_ratio": (5.0, 30.0),
    "start_of_injection": (-90.0, 60.0),
}
SPRAY = {"injected_mass": (0.0, 1e-3), "injection_duration": (0.5, 90.0), "injected_temperature": (280.0, 900.0)}
INITIAL = {
    "pressure": (0.2e5, 10e5),
    "temperature": (250.0, 600.0),
    "wall_temperature": (250.0, 900.0),
    "oxygen_mole_fraction": (0.05, 0.5),
}
MECHANISM = frozenset({"mechanism", "phase", "fuel"})
SPECIES = ("c12h26", "o2", "co2", "h2o", "co", "oh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The slider-crank; lengths in m, angles in degrees after top dead centre."""

    bore: float
    stroke: float
    connecting_rod: float
    rpm: float
    compression_ratio: float
    start_of_injection: float

    @property
    def degrees_per_s(self) -> float:
        """Crank degrees per second."""
        return 6.0 * self.rpm

    @property
    def piston_area(self) -> float:
        """In m2."""
        return math.pi * self.bore**2 / 4

    @property
    def displacement(self) -> float:
        """In m3."""
        return self.piston_area * self.stroke

    def descent(self, crank: float) -> float:
        """Return how far the piston is below top dead centre, in m."""
        throw, angle = self.stroke / 2, math.radians(crank)
        return throw * (1 - math.cos(angle)) + self.connecting_rod - self._rod(angle)

    def speed(self, crank: float) -> float:
        """Return the piston's downward speed in m/s."""
        throw, angle = self.stroke / 2, math.radians(crank)
        per_radian = throw * math.sin(angle) * (1 + throw * math.cos(angle) / self._rod(angle))
        return per_radian * math.radians(self.degrees_per_s)

    def volume(self, crank: float) -> float:
        """Return the cylinder's volume in m3."""
        return self.displacement / (self.compression_ratio - 1) + self.piston_area * self.descent(crank)

    def surface(self, crank: float) -> float:
        """Return the cooled surface in m2: head, piston, and liner with the clearance."""
        return 2 * self.piston_area + 4 * self.volume(crank) / self.bore

    def _rod(self, angle: float) -> float:
        return math.sqrt(self.connecting_rod**2 - (self.stroke / 2 * math.sin(angle)) ** 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the case's files say."""

    engine: Engine
    spray: dict[str, float]
    initial: dict[str, float]
    mechanism: dict[str, str]
    start: float
    end: float
    step: float


def read_case(folder: Path, times: dict[str, float]) -> Case:
    """Read the case; ``times`` is ``inputs.in`` (degrees), already read.

    Raises:
        DeckError: a file is missing or wrong.
    """
    engine = Engine(**read_numbers(folder, "engine.in", ENGINE))
    if engine.connecting_rod <= engine.stroke / 2:
        raise DeckError("engine.in: connecting_rod is not longer than half the stroke")
    spray, initial = read_numbers(folder, "spray.in", SPRAY), read_numbers(folder, "initialize.in", INITIAL)
    mechanism = {key: word for key, (_, word) in read_words(folder, "mech.dat", MECHANISM).items()}
    for name in ("start_time", "end_time"):
        if abs(times[name]) > 180:
            raise DeckError(f"inputs.in: {name} = {times[name]:g} is not within -180 and 180 degrees")
    write_echo(folder, "engine.in", {key: getattr(engine, key) for key in ENGINE})
    write_echo(folder, "spray.in", spray)
    write_echo(folder, "initialize.in", initial)
    return Case(
        engine=engine,
        spray=spray,
        initial=initial,
        mechanism=mechanism,
        start=times["start_time"],
        end=times["end_time"],
        step=times["time_interval_write"],
    )


def injection_rate(case: Case, crank: float) -> float:
    """Return the fuel's mass flow in kg/s at ``crank``: a half sine whose integral is the injected mass."""
    duration = case.spray["injection_duration"]
    done = (crank - case.engine.start_of_injection) / duration
    if not 0 < done < 1:
        return 0.0
    peak = case.spray["injected_mass"] * math.pi / 2 * case.engine.degrees_per_s / duration
    return peak * math.sin(math.pi * done)


def hohenberg(volume: float, pressure: float, temperature: float, mean_piston_speed: float) -> float:
    """Return the heat transfer coefficient in W/m2K (SAE 790825); ``volume`` in m3, ``pressure`` in Pa."""
    return (
        130
        * math.pow(volume, -0.06)
        * math.pow(pressure / BAR, 0.8)
        * math.pow(temperature, -0.4)
        * math.pow(mean_piston_speed + 1.4, 0.8)
    )


class Cylinder:
    """The reactor network of one case."""

    def __init__(self, case: Case) -> None:
        """Fill the cylinder at the case's start.

        Raises:
            DeckError: Cantera, the mechanism or the fuel is not there.
        """
        try:
            import cantera as ct
        except ImportError as error:
            raise DeckError(f"the HSDI case needs Cantera (pip install cantera): {error}") from error
        try:
            gas, fuel = (ct.Solution(case.mechanism["mechanism"], case.mechanism["phase"]) for _ in range(2))
            fuel.TPY = case.spray["injected_temperature"], 100 * BAR, {case.mechanism["fuel"]: 1.0}
        except ct.CanteraError as error:
            raise DeckError(f"mech.dat: {case.mechanism}: {str(error).strip()}") from error
        self.case, self.gas = case, gas
        oxygen = case.initial["oxygen_mole_fraction"]
        gas.TPX = case.initial["temperature"], case.initial["pressure"], {"o2": oxygen, "n2": 1 - oxygen}
        self._reactor = ct.IdealGasReactor(gas, clone=False)
        self._reactor.volume = case.engine.volume(case.start)
        outside = ct.Solution(case.mechanism["mechanism"], case.mechanism["phase"])
        outside.TPX = case.initial["wall_temperature"], BAR, {"n2": 1.0}
        self._wall = ct.Wall(self._reactor, ct.Reservoir(outside, clone=False), A=case.engine.piston_area)
        self._wall.velocity = lambda t: case.engine.speed(self.crank(t))
        self._valve = ct.MassFlowController(ct.Reservoir(fuel, clone=False), self._reactor)
        self._valve.mass_flow_rate = lambda t: injection_rate(case, self.crank(t))
        self._net = ct.ReactorNet([self._reactor])
        self._net.rtol, self._net.atol = 1e-5, 1e-12
        self._net.max_time_step = 0.5 / case.engine.degrees_per_s

    def crank(self, time_s: float) -> float:
        """Return the crank angle at ``time_s`` after the start."""
        return self.case.start + time_s * self.case.engine.degrees_per_s

    def advance(self, crank: float) -> None:
        """Go on to ``crank``, with the wall's heat transfer coefficient as it is now."""
        engine, here = self.case.engine, self.crank(self._net.time)
        coefficient = hohenberg(self._reactor.volume, self.gas.P, self.gas.T, 2 * engine.stroke * engine.rpm / 60)
        self._wall.heat_transfer_coeff = coefficient * engine.surface(here) / engine.piston_area
        self._net.advance((crank - self.case.start) / engine.degrees_per_s)

    def state(self) -> list[float]:
        """Return pressure (MPa), temperature (K), volume (m3), mass (kg), and every species' mass fraction."""
        r: Any = self._reactor
        return [self.gas.P / 1e6, self.gas.T, r.volume, r.mass, *self.gas.Y.tolist()]


def calculate(folder: Path, times: dict[str, float]) -> str:
    """Calculate the case in ``folder``, write its files there, and return a one-line summary.

    Raises:
        DeckError: the case can not be calculated.
    """
    case = read_case(folder, times)
    cylinder = Cylinder(case)
    count = max(1, round((case.end - case.start) / case.step))
    states = [[case.start, *cylinder.state()]]
    for i in range(1, count + 1):
        crank = case.start + (case.end - case.start) * i / count
        cylinder.advance(crank)
        states.append([crank, *cylinder.state()])
    work = 0.0
    works = [0.0]
    for before, after in itertools.pairwise(states):
        work += (before[1] + after[1]) / 2 * 1e6 * (after[3] - before[3])
        works.append(work)
    write_results(folder, cylinder, states, works)
    pressure, at = max((s[1], s[0]) for s in states)
    return f"peak pressure {pressure * 10:.1f} bar at {at:.2f} deg, closed-cycle work {work:.1f} J"


def write_results(folder: Path, cylinder: Cylinder, states: list[list[float]], works: list[float]) -> None:
    """Write ``thermo.out``, ``species_mass.out``, ``spray.out`` and ``post_000001.bin``."""
    import cantera as ct

    case, names = cylinder.case, cylinder.gas.species_names
    title = f"stand-in for CONVERGE (Cantera {ct.__version__}, zero-dimensional diesel)"
    crank = ("Crank", "DEG")
    write_columns(
        folder / "thermo.out",
        title,
        [crank, ("Pressure", "MPa"), ("Mean_Temp", "K"), ("Volume", "m^3"), ("Mass", "kg"), ("Work", "J")],
        ([*state[:5], work] for state, work in zip(states, works, strict=True)),
    )
    columns = [5 + names.index(name) for name in SPECIES if name in names]
    write_columns(
        folder / "species_mass.out",
        title,
        [crank, *((names[i - 5], "kg") for i in columns)],
        ([state[0], *(state[4] * state[i] for i in columns)] for state in states),
    )
    write_columns(
        folder / "spray.out",
        title,
        [crank, ("Injection_rate", "kg/s")],
        ([state[0], injection_rate(case, state[0])] for state in states),
    )
    write_states(
        folder / "post_000001.bin",
        ["crank_deg", "pressure_MPa", "temperature_K", "volume_m3", "mass_kg", *(f"Y_{n}" for n in names)],
        states,
    )
