"""`digest user`: accounts of the people who sign in to the desk."""

from typing import Annotated

import typer

from digest.accounts import store, totp
from digest.cli.audit import record
from digest.cli.shell import shell_of
from digest.settings.publication import pick

Login = Annotated[str, typer.Argument(metavar="LOGIN", help="Letters and digits, and . _ - @")]


def add(
    context: typer.Context,
    login: Login,
    role: Annotated[str, typer.Option(help="editor, approver, operator, reader (of reports); several with commas.")],
    name: Annotated[str, typer.Option(help="The person's name, as approvals show it; default: the login.")] = "",
    ask: Annotated[bool, typer.Option("--ask", help="Ask for the password instead of making one.")] = False,
    renew: Annotated[
        bool, typer.Option("--renew", help="For an account that exists: new roles, password and secret.")
    ] = False,
) -> None:
    """Create or renew an account for the desk. Its password and authenticator secret are shown once."""
    shell = shell_of(context)
    roles = store.roles_of(role)
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True) if ask else ""
    settings, now = shell.app.settings, shell.app.clock.now()
    with shell.session() as session:
        made = store.add(
            session, login, roles, now=now, secret=settings.suppression_key, name=name, password=password, renew=renew
        )
        record(
            shell, session, "account renewed" if renew else "account added", made.account.login, roles=",".join(roles)
        )
        data = {"login": made.account.login, "name": made.account.name, "roles": roles}
    issuer = pick(settings.publication.name, settings.publication.language)
    uri, secret = totp.enrolment_uri(made.totp_secret, made.account.login, issuer), totp.text_of(made.totp_secret)
    shown = {} if ask else {"password": made.password}

    def show() -> None:
        shell.out.line(f"{made.account.name} signs in as {made.account.login} ({', '.join(roles)}).")
        if not ask:
            shell.out.line(f"Password: {made.password}")
        shell.out.line(f"Authenticator app: {uri}\nor type this secret into it: {secret}")
        shell.out.line("Neither is shown again. Hand them over in two ways, such as on paper and by phone.")
        if not settings.desk.enabled:
            shell.out.line("`digest serve` has a desk once digest.toml says: [desk] enabled = true")

    shell.out.emit(data | shown | {"totp_uri": uri, "totp_secret": secret}, show)


def list_(context: typer.Context) -> None:
    """List the accounts with their roles."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        accounts = store.listed(session)
    data = [{"login": one.login, "name": one.name, "roles": one.roles, "active": one.active} for one in accounts]
    rows = [[one.login, one.name, ", ".join(one.roles), "yes" if one.active else "disabled"] for one in accounts]
    shell.out.emit(data, lambda: shell.out.table(["login", "name", "roles", "active"], rows))


def disable(context: typer.Context, login: Login) -> None:
    """Disable an account and end its sessions."""
    shell = shell_of(context)
    with shell.session() as session:
        account = store.disable(session, login, shell.app.clock.now())
        record(shell, session, "account disabled", account.login)
    data = {"login": account.login, "active": False}
    shell.out.emit(data, lambda: shell.out.line(f"{account.login} is disabled; its sessions have ended."))
