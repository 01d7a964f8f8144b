"""Addresses of the front page and the settings."""

from django.urls import path

from apps.accounts import views

urlpatterns = [
    path("", views.home, name="home"),
    path("settings/", views.settings_page, name="settings"),
    path("settings/team/", views.team, name="team"),
    path("settings/team/leave/", views.leave_team, name="team-leave"),
    path("settings/first-steps/hide/", views.hide_first_steps, name="first-steps-hide"),
    path("settings/tokens/", views.tokens, name="tokens"),
    path("settings/tokens/<uuid:token_id>/revoke/", views.revoke_token, name="token-revoke"),
    path("settings/profile/", views.profile, name="profile"),
    path("settings/security/", views.security, name="security"),
    path(
        "settings/invitations/<uuid:invitation_id>/resend/",
        views.resend_invitation,
        name="invitation-resend",
    ),
    path(
        "settings/invitations/<uuid:invitation_id>/revoke/",
        views.revoke_invitation,
        name="invitation-revoke",
    ),
    path("accounts/2fa/", views.to_security),
    path("accounts/confirm-email/resend/", views.resend_confirmation, name="confirmation-resend"),
    path("accounts/sessions/end/", views.sign_out_everywhere, name="sign-out-everywhere"),
    path("accounts/invitation/<str:secret>/", views.invitation, name="invitation"),
    path(
        "settings/members/<uuid:membership_id>/owner/",
        views.transfer_workspace,
        name="member-owner",
    ),
    path("settings/members/<uuid:membership_id>/role/", views.change_role, name="member-role"),
    path(
        "settings/members/<uuid:membership_id>/remove/", views.remove_member, name="member-remove"
    ),
]
