"""Pintle injector: how a radial fuel sheet breaks up against an axial oxidiser sheet, flies and evaporates.

Sources:
    * Spray half angle: cos(alpha) = 1 / (1 + TMR), TMR the total momentum ratio of radial to axial stream:
      P. Cheng, Q. Li, S. Xu, Z. Kang, On the prediction of spray angle of liquid-liquid pintle injectors,
      Acta Astronautica 138 (2017) 145-151.
    * Sheet breakup (short waves, We > 27/16): growth rate, breakup length with ln(eta_b/eta_0) = 12, ligament
      and drop size: P. K. Senecal et al., Modeling high-speed viscous liquid sheet atomization,
      Int. J. Multiphase Flow 25 (1999) 1073-1097; the drop from its ligament with the viscous correction of
      N. Dombrowski, W. R. Johns, Chem. Eng. Sci. 18 (1963) 203-214.
    * Drop sizes: P. Rosin, E. Rammler (1933); SMD = X / Gamma(1 - 1/q): A. H. Lefebvre, V. G. McDonell,
      Atomization and Sprays, 2nd ed. (2017), ch. 3.
    * Drag of a sphere: L. Schiller, A. Naumann, VDI-Zeitung 77 (1933) 318-320, f = 1 + 0.15 Re^0.687.
    * Evaporation: d2-law, G. A. E. Godsave (1953) and D. B. Spalding (1953), K = 8 k / (rho cp) ln(1 + B), times
      the convective factor 1 + 0.3 Re^1/2 Pr^1/3 of W. E. Ranz, W. R. Marshall, Chem. Eng. Prog. 48 (1952).
    * Viscosity of the gas: W. Sutherland (1893) with the constants of nitrogen.

The drops do not see each other, do not break up again and are at their boiling point; the gas is well stirred.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .deck import Bounds, DeckError, read_numbers, write_echo
from .results import write_columns, write_states

if TYPE_CHECKING:
    from pathlib import Path

GAS_CONSTANT = 8.314462618
PRANDTL = 0.7
SIZE_CLASSES, PULSES = 20, 10
SPRAY: dict[str, Bounds] = {
    "pintle_diameter": (1e-3, 0.5),
    "radial_gap": (1e-5, 0.01),
    "annular_gap": (1e-5, 0.01),
    "radial_mass_flow": (1e-4, 500.0),
    "axial_mass_flow": (1e-4, 500.0),
    "axial_density": (50.0, 2000.0),
    "injection_duration": (1e-5, 1.0),
    "rosin_rammler_q": (1.5, 8.0),
}
LIQUID: dict[str, Bounds] = {
    "density": (50.0, 2000.0),
    "surface_tension": (1e-4, 0.2),
    "viscosity": (1e-6, 1.0),
    "boiling_temperature": (50.0, 900.0),
    "heat_of_vaporisation": (1e4, 3e6),
}
INITIAL: dict[str, Bounds] = {
    "pressure": (1e4, 5e7),
    "temperature": (300.0, 4000.0),
    "volume": (1e-6, 100.0),
    "gas_molar_mass": (0.002, 0.1),
    "gas_specific_heat": (500.0, 20000.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What becomes of the sheet: speeds in m/s, lengths in m, the half angle in radians."""

    speed: float
    momentum_ratio: float
    half_angle: float
    weber: float
    breakup_length: float
    smd: float


@dataclass(slots=True)
class Parcel:
    """Drops of one size, injected at one time."""

    born: float
    mass: float
    diameter0: float
    diameter: float
    position: float
    speed: float


def growth_rate(k: float, *, speed: float, density_ratio: float, tension: float, viscosity: float) -> float:
    """Return the growth rate (1/s) of a short wave of wave number ``k`` (1/m): Senecal et al. (1999), eq. 28.

    Args:
        k: Wave number.
        speed: Of the sheet in the gas, m/s.
        density_ratio: Gas over liquid.
        tension: Surface tension over the liquid's density, m3/s2.
        viscosity: Kinematic, of the liquid, m2/s.
    """
    damping = 2 * viscosity * k * k
    return -damping + math.sqrt(max(0.0, damping**2 + density_ratio * (speed * k) ** 2 - tension * k**3))


def fastest_wave(*, speed: float, density_ratio: float, tension: float, viscosity: float) -> tuple[float, float]:
    """Return wave number and growth rate of the fastest growing wave, by golden section."""
    low, high = 1.0, density_ratio * speed**2 / tension
    ratio = (math.sqrt(5) - 1) / 2

    def grown(k: float) -> float:
        return growth_rate(k, speed=speed, density_ratio=density_ratio, tension=tension, viscosity=viscosity)

    for _ in range(80):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if grown(left) < grown(right):
            low = left
        else:
            high = right
    return (low + high) / 2, grown((low + high) / 2)


def break_up(spray: dict[str, float], liquid: dict[str, float], gas_density: float) -> Sheet:
    """Return what becomes of the sheet in gas of ``gas_density`` (kg/m3).

    Raises:
        DeckError: the waves are long (We <= 27/16), for which this model does not hold.
    """
    radial_area = math.pi * spray["pintle_diameter"] * spray["radial_gap"]
    axial_area = math.pi * (spray["pintle_diameter"] + spray["annular_gap"]) * spray["annular_gap"]
    speed = spray["radial_mass_flow"] / (liquid["density"] * radial_area)
    axial_speed = spray["axial_mass_flow"] / (spray["axial_density"] * axial_area)
    ratio = spray["radial_mass_flow"] * speed / (spray["axial_mass_flow"] * axial_speed)
    half_thickness = spray["radial_gap"] / 2
    weber = gas_density * speed**2 * half_thickness / liquid["surface_tension"]
    if weber <= 27 / 16:
        raise DeckError(f"spray.in: gas Weber number {weber:.2f} is not above 27/16: the sheet breaks by long waves")
    wave, growth = fastest_wave(
        speed=speed,
        density_ratio=gas_density / liquid["density"],
        tension=liquid["surface_tension"] / liquid["density"],
        viscosity=liquid["viscosity"] / liquid["density"],
    )
    ligament = math.sqrt(16 * half_thickness / wave)
    ohnesorge = liquid["viscosity"] / math.sqrt(liquid["density"] * liquid["surface_tension"] * ligament)
    return Sheet(
        speed=speed,
        momentum_ratio=ratio,
        half_angle=math.acos(1 / (1 + ratio)),
        weber=weber,
        breakup_length=12 * speed / growth,
        smd=1.88 * ligament * (1 + 3 * ohnesorge) ** (1 / 6),
    )


def make_parcels(sheet: Sheet, spray: dict[str, float]) -> list[Parcel]:
    """Return parcels of equal mass: quantiles of the Rosin-Rammler distribution, in pulses over the injection."""
    q = spray["rosin_rammler_q"]
    size = sheet.smd * math.gamma(1 - 1 / q)
    mass = spray["radial_mass_flow"] * spray["injection_duration"] / (SIZE_CLASSES * PULSES)
    parcels = []
    for pulse in range(PULSES):
        born = spray["injection_duration"] * pulse / PULSES
        for i in range(SIZE_CLASSES):
            diameter = size * (-math.log(1 - (i + 0.5) / SIZE_CLASSES)) ** (1 / q)
            parcels.append(
                Parcel(
                    born=born,
                    mass=mass,
                    diameter0=diameter,
                    diameter=diameter,
                    position=sheet.breakup_length,
                    speed=sheet.speed,
                )
            )
    return parcels


class Chamber:
    """A closed volume of well-stirred gas with the spray in it."""

    def __init__(self, initial: dict[str, float], liquid: dict[str, float]) -> None:
        """Fill the volume with gas."""
        self.volume, self.temperature = initial["volume"], initial["temperature"]
        self.molar_mass, self.heat = initial["gas_molar_mass"], initial["gas_specific_heat"]
        self.mass = initial["pressure"] * self.volume * self.molar_mass / (GAS_CONSTANT * self.temperature)
        self.vapour = 0.0
        self._liquid = liquid

    @property
    def density(self) -> float:
        """Of the gas, kg/m3."""
        return self.mass / self.volume

    @property
    def pressure(self) -> float:
        """In Pa; the vapour counts as gas of the same molar mass."""
        return self.mass * GAS_CONSTANT * self.temperature / (self.molar_mass * self.volume)

    def take(self, vapour: float) -> None:
        """Mix ``vapour`` (kg), at its boiling point, into the gas, which pays the heat."""
        cooled = self.heat * (self.temperature - self._liquid["boiling_temperature"])
        self.temperature -= (
            vapour * (self._liquid["heat_of_vaporisation"] + cooled) / ((self.mass + vapour) * self.heat)
        )
        self.mass += vapour
        self.vapour += vapour

    def step(self, parcels: list[Parcel], now: float, dt: float) -> None:
        """Move and evaporate every parcel that is born for ``dt`` seconds."""
        temperature, density = self.temperature, self.density
        viscosity = 1.663e-5 * (temperature / 273.0) ** 1.5 * (273.0 + 107.0) / (temperature + 107.0)
        spalding = max(0.0, self.heat * (temperature - self._liquid["boiling_temperature"]))
        spalding /= self._liquid["heat_of_vaporisation"]
        still = 8 * viscosity / PRANDTL / self._liquid["density"] * math.log1p(spalding)
        relaxation = self._liquid["density"] / (18 * viscosity)
        evaporated = 0.0
        for parcel in parcels:
            if parcel.diameter <= 0.0 or parcel.born > now:
                continue
            reynolds = density * parcel.speed * parcel.diameter / viscosity
            decay = dt * (1 + 0.15 * reynolds**0.687) / (relaxation * parcel.diameter**2)
            after = parcel.speed * math.exp(-decay)
            parcel.position += (parcel.speed + after) / 2 * dt
            parcel.speed = after
            rate = still * (1 + 0.3 * math.sqrt(reynolds) * PRANDTL ** (1 / 3))
            square = parcel.diameter**2 - rate * dt
            smaller = math.sqrt(square) if square > 1e-14 else 0.0
            evaporated += parcel.mass * (parcel.diameter**3 - smaller**3) / parcel.diameter0**3
            parcel.diameter = smaller
        self.take(evaporated)


def liquid_state(parcels: list[Parcel], now: float) -> tuple[float, float, float]:
    """Return liquid mass (kg), path that 99 % of it has not passed (m), and Sauter mean diameter (m)."""
    alive = [
        (p.position, p.mass * (p.diameter / p.diameter0) ** 3, p.diameter)
        for p in parcels
        if p.diameter > 0.0 and p.born <= now
    ]
    total = sum(mass for _, mass, _ in alive)
    if total <= 0.0:
        return 0.0, 0.0, 0.0
    passed, reach = 0.0, 0.0
    for position, mass, _ in sorted(alive):
        passed, reach = passed + mass, position
        if passed >= 0.99 * total:
            break
    return total, reach, total / sum(mass / diameter for _, mass, diameter in alive)


def calculate(folder: Path, times: dict[str, float]) -> str:
    """Calculate the case in ``folder``, write its files there, and return a one-line summary.

    Raises:
        DeckError: the case can not be calculated.
    """
    spray = read_numbers(folder, "spray.in", SPRAY)
    liquid = read_numbers(folder, "liquid.dat", LIQUID)
    initial = read_numbers(folder, "initialize.in", INITIAL)
    for name, values in (("spray.in", spray), ("liquid.dat", liquid), ("initialize.in", initial)):
        write_echo(folder, name, values)
    chamber = Chamber(initial, liquid)
    sheet = break_up(spray, liquid, chamber.density)
    parcels = make_parcels(sheet, spray)
    start, span = times["start_time"], times["end_time"] - times["start_time"]
    count = max(1, round(span / times["time_step"]))
    every = max(1, round(times["time_interval_write"] / times["time_step"]))
    rows, states = [], []
    for i in range(count + 1):
        now = span * i / count
        if i % every == 0 or i == count:
            mass, reach, smd = liquid_state(parcels, now)
            rows.append((start + now, chamber, mass, reach, smd, chamber.pressure, chamber.temperature, chamber.vapour))
            states += [[start + now, p.born, p.mass, p.diameter, p.position, p.speed] for p in parcels]
        chamber.step(parcels, now, span / count)
    write_results(folder, sheet, [row[:1] + row[2:] for row in rows], states, chamber.volume)
    return (
        f"TMR {sheet.momentum_ratio:.3f}, half angle {math.degrees(sheet.half_angle):.1f} deg, "
        f"SMD {sheet.smd * 1e6:.1f} um, penetration {max(row[3] for row in rows) * 1e3:.1f} mm"
    )


def write_results(
    folder: Path, sheet: Sheet, rows: list[tuple[float, ...]], states: list[list[float]], volume: float
) -> None:
    """Write ``thermo.out``, ``spray.out``, ``sheet.out`` and ``post_000001.bin``.

    Args:
        folder: Where to.
        sheet: The breakup.
        rows: time, liquid mass, reach along the spray, SMD, pressure, temperature, vapour.
        states: Every parcel at every written time.
        volume: Of the chamber, m3.
    """
    title = "stand-in for CONVERGE (pintle spray: Cheng 2017, Senecal 1999, Schiller-Naumann 1933, d2-law 1953)"
    time = ("Time", "s")
    write_columns(
        folder / "thermo.out",
        title,
        [time, ("Pressure", "MPa"), ("Mean_Temp", "K"), ("Volume", "m^3"), ("Vapour_mass", "kg")],
        ([now, p / 1e6, t, volume, vapour] for now, _, _, _, p, t, vapour in rows),
    )
    write_columns(
        folder / "spray.out",
        title,
        [time, ("Liquid_mass", "kg"), ("Penetration", "m"), ("Radial_reach", "m"), ("SMD", "m")],
        (
            [now, mass, reach * math.cos(sheet.half_angle), reach * math.sin(sheet.half_angle), smd]
            for now, mass, reach, smd, *_ in rows
        ),
    )
    write_columns(
        folder / "sheet.out",
        title,
        [("TMR", "-"), ("Half_angle", "DEG"), ("Weber", "-"), ("Breakup_length", "m"), ("SMD", "m")],
        [[sheet.momentum_ratio, math.degrees(sheet.half_angle), sheet.weber, sheet.breakup_length, sheet.smd]],
    )
    write_states(
        folder / "post_000001.bin", ["time_s", "born_s", "mass_kg", "diameter_m", "path_m", "speed_m_s"], states
    )
