"""The vault: one key per subject, wrapped by a master key, kept outside the data.

    vault = Vault("keys.db", master=KeyFile("master.key"))

Needs the package ``cryptography``; nothing of it is imported by ``import perdure``.
"""

from perdure.errors import Invalid

try:
    from .keyfile import KeyFile
    from .keyring import Keyring, Vault
    from .masters import Environment, Master, Passphrase, Wrapped
except ModuleNotFoundError as error:
    raise Invalid(
        f"the module {error.name} is missing",
        value=error.name,
        remedy="pip install 'perdure[vault]'",
    ) from None

__all__ = [
    "Vault",
    "KeyFile",
    "Environment",
    "Passphrase",
    "Wrapped",
    "Master",
    "Keyring",
]
