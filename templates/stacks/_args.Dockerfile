{% for arg in args %}
ARG {{ arg }}
{% endfor %}
