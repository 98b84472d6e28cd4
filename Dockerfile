# The image of every node; EmailApi__Role picks what it does, and a command such as `migrate` or `doctor` runs instead of serving.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source

# The packages first: they are fetched again only when one of these files changes.
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY src/EmailApi/EmailApi.csproj src/EmailApi/packages.lock.json src/EmailApi/
RUN dotnet restore src/EmailApi --locked-mode

COPY .editorconfig BannedSymbols.txt ./
COPY migrations/Schema migrations/Schema
COPY src/EmailApi src/EmailApi
RUN dotnet publish src/EmailApi --no-restore --configuration Release --output out && mkdir data

FROM mcr.microsoft.com/dotnet/aspnet:10.0
WORKDIR /app
COPY --from=build /source/out ./
# Writable for the app alone; everything else may be mounted read-only, with a tmpfs at /tmp.
COPY --from=build --chown=1654:1654 /source/data /data

# The base image's own ASPNETCORE_HTTP_PORTS would only be overridden with a warning.
ENV ASPNETCORE_HTTP_PORTS="" \
    ASPNETCORE_URLS="http://0.0.0.0:8080" \
    EmailApi__DataDirectory="/data"

VOLUME ["/data"]
EXPOSE 8080
# The user `app` of the base image.
USER 1654
STOPSIGNAL SIGTERM
# Only whether it answers: an orchestrator that ends unhealthy containers must not end them because the database is away.
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s --retries=3 CMD ["dotnet", "/app/EmailApi.dll", "health", "--live"]
ENTRYPOINT ["dotnet", "/app/EmailApi.dll"]
