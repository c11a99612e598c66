"""Imports every domain's tables, so that the metadata is whole wherever it is compared or created."""

import importlib.util
import pkgutil

import api

for package in pkgutil.iter_modules(api.__path__, "api."):
    models = f"{package.name}.models"
    if package.ispkg and importlib.util.find_spec(models):
        importlib.import_module(models)
