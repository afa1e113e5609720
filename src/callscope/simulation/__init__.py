"""The simulator of calls: telemetry of calls that never were, alike for the same plan everywhere."""

from callscope.simulation.broadcast import broadcast
from callscope.simulation.call import live, simulate_call
from callscope.simulation.demo import demo_calls
from callscope.simulation.measures import MEASURED
from callscope.simulation.plan import CallPlan, Fault, FaultKind
from callscope.simulation.population import population

__all__ = ["MEASURED", "CallPlan", "Fault", "FaultKind", "broadcast", "demo_calls", "live", "population", "simulate_call"]
