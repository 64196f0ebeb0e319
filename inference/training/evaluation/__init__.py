"""How good a model is: the serving path on annotated films, and its numbers.

``truth`` reads what people drew, ``serving`` runs the very path of the node,
``classification``, ``detection`` and ``agreement`` are the metrics, ``summary`` puts
intervals on them, ``report`` writes them down and ``tuning`` searches thresholds.
"""
