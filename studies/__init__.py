"""Studies behind the constants and decisions of the models: repeatable, and no part of a refresh.

Input: a published build. Output: tables on the terminal.
"""
