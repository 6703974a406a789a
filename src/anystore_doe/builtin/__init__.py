"""The plugins that ship, each a room of its own: ``file``, ``any_fsspec``, ``zip``, ``tar``, ``local``.

A plugin's ``__init__`` offers its records and is light; what does the work is imported when it is opened.
``archiving`` (zip and tar) and ``disk`` (the archives and ``file``) hold what they share.
"""
