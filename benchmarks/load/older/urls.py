"""Where the two older packages answer."""

from django.conf.urls import include, url

urlpatterns = [
    url("^pagetimer/", include("pagetimer.urls")),
    url("^djaffar/", include("djaffar.urls")),
]
