"""Where the pages of the intranet are."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from . import views

urlpatterns = [
    path("", views.notices, name="notices"),
    path("handbook/<slug:chapter>/", views.handbook, name="handbook"),
    path("log-in/", LoginView.as_view(), name="login"),
    path("log-out/", LogoutView.as_view(), name="logout"),
]
