{% if packages %}
RUN apt-get update && apt-get install --yes --no-install-recommends{% for package in packages %} {{ package }}{% endfor %} && rm -rf /var/lib/apt/lists/*
{% endif %}
