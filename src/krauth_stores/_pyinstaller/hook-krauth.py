# Read by PyInstaller when a program imports krauth. Missing packages are left out with a warning.  # noqa: N999
from PyInstaller.utils.hooks import copy_metadata

from krauth_stores import MODULES

hiddenimports = list(MODULES)
datas = copy_metadata("krauth")
