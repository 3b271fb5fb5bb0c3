"""django-pagetimer and django-djaffar as they come from PyPI, on the Django that they need: 1.11.

Both ask for ``on_delete``-less keys, ``django.core.urlresolvers`` or a ``user.is_anonymous()``
that can be called, which Django 2.0 no longer has. It wants what Python 3.10 no longer has.
"""

import collections
import collections.abc

for name in collections.abc.__all__:
    if not hasattr(collections, name):
        setattr(collections, name, getattr(collections.abc, name))
