"""Mixing: which mixes to try, what they teach, which ratios to train with, and how sure that is.

A study from end to end is `mixing.study.run_study`. Importing the package registers all laws.
"""

from mixing.ask import Ask
from mixing.average import Average
from mixing.bank import Bank, Repetition
from mixing.boosting import BoostedTrees
from mixing.bootstrap import bootstrap_laws, interval
from mixing.feasible import Feasible, Group, make_feasible
from mixing.gaussian_process import GaussianProcess
from mixing.laws import LAWS, Law, make_law, register
from mixing.power_law import PowerLaw, PowerLawPerDomain
from mixing.recommend import Recommendation, recommend
from mixing.residual import PowerLawResidual
from mixing.shares import exact, natural, uniform, unimax
from mixing.simple_laws import LogLinear, SquareRootLinear
from mixing.solve import Objective, Solution, solve, solve_many
from mixing.surface import Surface, fit_surface
from mixing.swarm import Swarm, default_mixes, design_swarm
from mixing.two_skill import TwoSkill
from mixing.validation import ChosenLaw, FixedLaw, choose, cross_validate, make_folds, score

__all__ = [
    "LAWS",
    "Ask",
    "Average",
    "Bank",
    "BoostedTrees",
    "ChosenLaw",
    "Feasible",
    "FixedLaw",
    "GaussianProcess",
    "Group",
    "Law",
    "LogLinear",
    "Objective",
    "PowerLaw",
    "PowerLawPerDomain",
    "PowerLawResidual",
    "Recommendation",
    "Repetition",
    "Solution",
    "SquareRootLinear",
    "Surface",
    "Swarm",
    "TwoSkill",
    "bootstrap_laws",
    "choose",
    "cross_validate",
    "default_mixes",
    "design_swarm",
    "exact",
    "fit_surface",
    "interval",
    "make_feasible",
    "make_folds",
    "make_law",
    "natural",
    "recommend",
    "register",
    "score",
    "solve",
    "solve_many",
    "uniform",
    "unimax",
]
