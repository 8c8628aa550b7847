"""The sections of the page, in its order. Each is a module with NAME, TITLE, QUESTION, seconds(plan) for the time it
will take, measure(plan) for figures as plain values, and text(result) for their tables. A new one: a file here and
its name below."""

from sections import churn, cpu, large, latency, memory, scaling

ALL = [cpu, memory, large, latency, scaling, churn]
